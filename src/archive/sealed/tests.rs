//! Round trips over sizes and cuts, and every way in which sealed bytes can be wrong.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::seal::MOST_RECIPIENTS;
use super::*;
use crate::archive::error::{Damage, ReadError};
use crate::archive::read_at::{ReadAt, read_exact_at};

const IDENTITY: &str = include_str!("../../../tests/integration/formats/age/identity.txt");
const OTHER: &str = include_str!("../../../tests/integration/formats/age/other.txt");
const SSH: &str = include_str!("../../../tests/integration/formats/age/ssh-ed25519");
const SSH_PUBLIC: &str = include_str!("../../../tests/integration/formats/age/ssh-ed25519.pub");
const SSH_LOCKED: &str = include_str!("../../../tests/integration/formats/age/ssh-ed25519-locked");
const RSA: &str = include_str!("../../../tests/integration/formats/age/ssh-rsa");
const RSA_PUBLIC: &str = include_str!("../../../tests/integration/formats/age/ssh-rsa.pub");
const TAG: &str = include_str!("../../../tests/integration/formats/age/tag.pub");
const TAG_PQ: &str = include_str!("../../../tests/integration/formats/age/tagpq.pub");
const PLUGIN: &str = include_str!("../../../tests/integration/formats/age/plugin.pub");
const PLUGIN_IDENTITY: &str = include_str!("../../../tests/integration/formats/age/plugin.txt");
const BLOCK: usize = 64 << 10;

fn parsed(file: &str) -> Result<Identities, IdentityError> {
    Identities::parse(file.as_bytes().to_vec(), &(Arc::new(|_: &str| ()) as Voice))
}

fn identities(file: &str) -> Identities {
    parsed(file).unwrap()
}

/// The public key that a file of `age-keygen` names.
fn public(file: &str) -> Recipient {
    file.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().parse().unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn sealed(plain: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut seal = Seal::new(recipients, Vec::new()).unwrap();
    seal.write_all(plain).unwrap();
    seal.finish().unwrap()
}

fn unsealed(stored: &[u8], identities: &Identities) -> Result<Vec<u8>, ReadError> {
    let mut plain = Vec::new();
    Unsealed::open(stored, identities)?.read_to_end(&mut plain).map_err(ReadError::of)?;
    Ok(plain)
}

fn unsealed_at(stored: &[u8], identities: &Identities) -> Result<Vec<u8>, ReadError> {
    let open = UnsealedAt::open(stored, identities)?;
    let mut plain = vec![0; usize::try_from(open.len()).unwrap()];
    read_exact_at(&open, 0, &mut plain).map_err(ReadError::of)?;
    Ok(plain)
}

#[test]
fn what_is_sealed_comes_back_around_every_border() {
    let (to, by) = ([public(IDENTITY), public(OTHER)], [identities(IDENTITY), identities(OTHER)]);
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 17] {
        let plain = noise(length);
        let stored = sealed(&plain, &to);
        for by in &by {
            assert!(unsealed(&stored, by).unwrap() == plain, "{length}");
            assert!(unsealed_at(&stored, by).unwrap() == plain, "{length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn cuts_of_writes_and_places_of_reads_change_nothing(
        length in 0..400_000_usize,
        cuts in prop::collection::vec(1..200_000_usize, 0..6),
        places in prop::collection::vec((0..400_000_u64, 1..150_000_usize), 1..8),
    ) {
        let plain = noise(length);
        let mut stored = Vec::new();
        seal_apart::<_, SealError>(&[public(IDENTITY)], &mut stored, |seal| {
            let mut rest = plain.as_slice();
            for cut in &cuts {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                seal.write_all(now)?;
                rest = later;
            }
            Ok(seal.write_all(rest)?)
        }).unwrap();
        let by = identities(IDENTITY);
        prop_assert!(unsealed(&stored, &by).unwrap() == plain);
        let open = UnsealedAt::open(stored.as_slice(), &by).unwrap();
        prop_assert_eq!(open.len(), length as u64);
        for (offset, wanted) in places {
            let mut buffer = vec![0; wanted];
            let read = open.read_at(offset, &mut buffer).unwrap();
            let at = usize::try_from(offset).unwrap().min(length);
            let expected = &plain[at..(at + wanted).min(length)];
            prop_assert!(&buffer[..read] == expected || (read < expected.len() && read > 0 && buffer[..read] == expected[..read]));
        }
    }
}

#[test]
fn a_cut_at_any_byte_is_damage() {
    let by = identities(IDENTITY);
    let stored = sealed(&noise(2 * BLOCK), &[public(IDENTITY)]);
    let header = stored.len() - 2 * (BLOCK + 16);
    let borders = [BLOCK + 15, BLOCK + 16, BLOCK + 17, 2 * BLOCK + 31].map(|at| header + at);
    for cut in (0..header + 40).chain(borders) {
        for read in [unsealed, unsealed_at].map(|read| read(&stored[..cut], &by)) {
            let good = match read {
                Err(ReadError::Damaged(Damage::Sealed(_))) => cut >= header,
                Err(ReadError::Sealed(error)) => error.is_damage(),
                _ => false,
            };
            assert!(good, "cut at {cut}");
        }
    }
    let mut longer = stored.clone();
    longer.push(0);
    assert!(unsealed(&longer, &by).is_err() && unsealed_at(&longer, &by).is_err());
}

#[test]
fn a_flipped_bit_anywhere_is_an_error() {
    let by = identities(IDENTITY);
    let stored = sealed(b"what nobody may change", &[public(IDENTITY)]);
    for at in 0..stored.len() {
        let mut flipped = stored.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(unsealed(&flipped, &by).is_err(), "byte {at}");
    }
}

#[test]
fn blocks_cannot_change_places() {
    let by = identities(IDENTITY);
    let mut stored = sealed(&noise(3 * BLOCK), &[public(IDENTITY)]);
    let at = stored.len() - 3 * (BLOCK + 16);
    let (first, second) = stored[at..at + 2 * (BLOCK + 16)].split_at_mut(BLOCK + 16);
    first.swap_with_slice(second);
    assert!(matches!(unsealed(&stored, &by), Err(ReadError::Damaged(Damage::Sealed(_)))));
    let open = UnsealedAt::open(stored.as_slice(), &by).unwrap();
    assert!(open.read_at(0, &mut [0; 8]).is_err());
    assert!(open.read_at(2 * BLOCK as u64, &mut [0; 8]).is_err(), "after an error nothing is believed any more");
}

#[test]
fn what_is_not_finished_is_truncated_for_every_reader() {
    let mut stored = Vec::new();
    let mut seal = Seal::new(&[public(IDENTITY)], &mut stored).unwrap();
    seal.write_all(&noise(3 * BLOCK)).unwrap();
    drop(seal);
    let error = unsealed(&stored, &identities(IDENTITY)).unwrap_err();
    assert_eq!(error.to_string(), "damaged: age file: it ends early");
    let broken = seal_apart::<(), SealError>(&[public(IDENTITY)], &mut stored, |seal| {
        seal.write_all(&noise(3 * BLOCK))?;
        Err(SealError::Plugin("the source ended badly".to_owned()))
    });
    assert_eq!(broken.unwrap_err().to_string(), "the source ended badly");
}

#[test]
fn an_error_of_the_writer_behind_comes_out_as_it_was() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            let count = self.0.min(buffer.len());
            self.0 -= count;
            if count == 0 { Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full")) } else { Ok(count) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 100, 3 << 20, 8 << 20] {
        let plain = noise(9 << 20);
        let result = seal_apart::<(), SealError>(&[public(IDENTITY)], &mut Full(room), |seal| Ok(seal.write_all(&plain)?));
        let Err(SealError::Io(error)) = result else { panic!("{room}: {result:?}") };
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::StorageFull, "the disk is full".to_owned()), "{room}");
    }
}

#[test]
fn the_error_of_the_reader_below_comes_out_as_it_was() {
    struct Gone;
    impl Read for Gone {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::InvalidData, "segment 2 is not what it was"))
        }
    }
    let (stored, by) = (sealed(&noise(3 * BLOCK), &[public(IDENTITY)]), identities(IDENTITY));
    for after in [0, 10, 300, 2 * BLOCK] {
        let below = stored[..after].chain(Gone);
        let error = match Unsealed::open(below, &by) {
            Err(UnsealError::Io(error)) => error,
            Err(other) => panic!("{other}"),
            Ok(mut open) => open.read_to_end(&mut Vec::new()).unwrap_err(),
        };
        assert_eq!(error.to_string(), "segment 2 is not what it was", "after {after} bytes");
    }
}

#[test]
fn another_identity_a_foreign_file_and_a_passphrase_are_told_apart() {
    let by = identities(OTHER);
    let say = |stored: &[u8]| {
        let (one, other) = (unsealed(stored, &by).unwrap_err(), unsealed_at(stored, &by).unwrap_err());
        assert_eq!(one.to_string(), other.to_string());
        one.to_string()
    };
    assert_eq!(say(&sealed(b"x", &[public(IDENTITY)])), "cannot decrypt: none of the given identities opens it");
    assert_eq!(say(b""), "cannot decrypt: this is no age file");
    assert_eq!(say(&zstd::encode_all(&b"plain"[..], 1).unwrap()), "cannot decrypt: this is no age file");
    assert_eq!(
        say(b"age-encryption.org/v9\nsomething"),
        "cannot decrypt: this is an age file of a version that this program does not know"
    );
    assert_eq!(say(b"age-encryption.org/v1\n-> nonsense"), "cannot decrypt: the header of the age file is damaged");
    let endless = [&b"age-encryption.org/v1\n"[..], &b"-> a b c\n\n".repeat(100_000)].concat();
    assert_eq!(say(&endless), "cannot decrypt: the header of the age file is damaged");
    let mut passphrase = age::scrypt::Recipient::new("hunter2".to_owned().into());
    passphrase.set_work_factor(2);
    let mut stored = Vec::new();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&passphrase as _)).unwrap();
    encryptor.wrap_output(&mut stored).unwrap().finish().unwrap();
    assert_eq!(say(&stored), "cannot decrypt: this is encrypted with a passphrase; decrypt it with `age -d` first");
    assert!(matches!(unsealed(&sealed(b"x", &[public(OTHER)]), &Identities::none()), Err(ReadError::Sealed(UnsealError::NoIdentity))));
}

#[test]
fn ssh_keys_seal_and_open() {
    let to: Vec<Recipient> = [SSH_PUBLIC, RSA_PUBLIC].iter().map(|key| key.parse().unwrap()).collect();
    let stored = sealed(b"by the keys that are there already", &to);
    for file in [SSH, RSA, &format!("{SSH}{RSA}"), &format!("a comment\n{RSA}")] {
        assert_eq!(unsealed(&stored, &identities(file)).unwrap(), b"by the keys that are there already");
    }
    let fingerprints: Vec<String> = to.iter().map(Recipient::fingerprint).collect();
    assert_eq!(identities(&format!("{SSH}{RSA}")).fingerprints(), fingerprints, "both halves of a key have one fingerprint");
}

#[test]
fn a_file_of_several_identities_is_read_with_its_comments() {
    let both = identities(&format!("\n{IDENTITY}\n# another one\r\n{OTHER}"));
    assert_eq!(both.fingerprints(), [public(IDENTITY).fingerprint(), public(OTHER).fingerprint()]);
    let secret = IDENTITY.lines().last().unwrap();
    let shown = format!("{both:?}");
    assert!(shown.starts_with("Identities(2, ") && !shown.contains("SECRET") && !shown.contains(secret));
    let mut all = identities(SSH);
    all.extend(both);
    assert_eq!(unsealed(&sealed(b"x", &[public(OTHER)]), &all).unwrap(), b"x");
}

#[test]
fn what_is_no_identity_is_refused_with_what_to_do() {
    let secret = IDENTITY.lines().last().unwrap();
    let mistyped = secret.replace("8YE", "8YQ");
    let armored = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
    let elliptic = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n";
    for (file, why) in [
        ("", IdentityError::Nothing),
        ("# only words\n", IdentityError::Nothing),
        (SSH_LOCKED, IdentityError::SealedSsh),
        (armored, IdentityError::SealedFile),
        ("age-encryption.org/v1\n-> scrypt", IdentityError::SealedFile),
        (elliptic, IdentityError::Ssh),
        (&SSH[..SSH.len() / 2], IdentityError::Ssh),
        (&public(OTHER).to_string(), IdentityError::Public(1)),
        (SSH_PUBLIC, IdentityError::Public(1)),
        (&format!("{IDENTITY}{mistyped}"), IdentityError::Line(5)),
        ("hunter2", IdentityError::Line(1)),
    ] {
        let error = parsed(file).unwrap_err();
        assert!(!error.to_string().contains(secret) && !error.to_string().contains("hunter2"));
        assert_eq!(error, why, "{file}");
    }
    let noise = Identities::parse(vec![0xff, 0xfe], &(Arc::new(|_: &str| ()) as Voice));
    assert_eq!(noise.unwrap_err(), IdentityError::Binary);
    assert_eq!(parsed(PLUGIN_IDENTITY).unwrap_err().to_string(), "line 2: the program `age-plugin-nowhere` is not in PATH");
}

#[test]
fn a_recipient_has_one_fingerprint_however_it_is_written() {
    let key = public(IDENTITY);
    assert_eq!(key.fingerprint(), "x25519:4a0fdb9594b8097a");
    assert_eq!(format!("{key:?}"), key.fingerprint());
    let upper: Recipient = key.to_string().to_uppercase().parse().unwrap();
    assert_eq!((&upper, upper.fingerprint()), (&key, key.fingerprint()));
    let ssh: Recipient = SSH_PUBLIC.parse().unwrap();
    assert_eq!(ssh.fingerprint(), "ssh-ed25519:38a93289cdf8802f");
    let bare = SSH_PUBLIC.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(bare.parse::<Recipient>().unwrap().fingerprint(), ssh.fingerprint());
    assert_eq!(ssh.to_string(), bare);
}

#[test]
fn what_is_no_recipient_is_refused_and_never_shown() {
    let good = public(IDENTITY).to_string();
    let secret = IDENTITY.lines().last().unwrap();
    let cut = &SSH_PUBLIC[..SSH_PUBLIC.len() / 2];
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHFliOyIZs1gxGF3fmDxFykQhE88wy6AKDGFBfn0R6ZuvRmENABZQa9+pj9hMki+LX0qDJbmHTiWDbYv/cmFt/Q=";
    for (text, why) in [
        ("", RecipientError::Empty),
        ("  ", RecipientError::Empty),
        ("hunter2", RecipientError::Unknown),
        ("age1", RecipientError::Mistyped),
        (&good[..good.len() - 1], RecipientError::Mistyped),
        (&good.replace('q', "p"), RecipientError::Mistyped),
        (&format!("{good}\n{good}"), RecipientError::Unknown),
        (secret, RecipientError::Secret),
        (&secret.to_lowercase(), RecipientError::Secret),
        (&secret[..20], RecipientError::Secret),
        (SSH, RecipientError::Secret),
        ("AGE-PLUGIN-YUBIKEY-1QQQQ", RecipientError::Secret),
        (cut, RecipientError::BrokenSsh),
        ("ssh-rsa AAAAB3NzaC1yc2E", RecipientError::BrokenSsh),
        (&format!("{}AAAA", SSH_PUBLIC.split(" test").next().unwrap()), RecipientError::BrokenSsh),
        (ecdsa, RecipientError::SshType("ecdsa-sha2-nistp256".to_owned())),
        ("from=\"*\" ssh-ed25519 AAAA", RecipientError::Unknown),
    ] {
        let error = text.parse::<Recipient>().unwrap_err();
        assert!(!error.to_string().contains(secret));
        assert_eq!(error, why, "{text}");
    }
}

#[test]
fn nobody_and_a_plugin_that_is_not_there_cannot_be_sealed_to() {
    assert!(matches!(Seal::new(&[], Vec::new()), Err(SealError::Nobody)));
    assert!(matches!(sealable(&[]), Err(SealError::Nobody)));
    assert!(matches!(sealable(&vec![public(IDENTITY); MOST_RECIPIENTS + 1]), Err(SealError::Many)));
    let crowd = vec![public(IDENTITY); MOST_RECIPIENTS];
    assert_eq!(unsealed(&sealed(b"x", &crowd), &identities(IDENTITY)).unwrap(), b"x");
    sealable(&[public(IDENTITY), SSH_PUBLIC.parse().unwrap()]).unwrap();
    let [tag, tag_pq, plugin] = [TAG, TAG_PQ, PLUGIN].map(|key| key.parse::<Recipient>().unwrap());
    assert_eq!([&tag, &tag_pq, &plugin].map(Recipient::kind), ["tag", "tagpq", "plugin-nowhere"]);
    for good in [&[tag.clone(), public(OTHER)][..], std::slice::from_ref(&tag_pq)] {
        sealable(good).unwrap();
        assert!(sealed(b"x", good).starts_with(b"age-encryption.org/v1\n"));
    }
    let mixed = [tag_pq, tag.clone()];
    assert!(matches!(sealable(&mixed), Err(SealError::Mixed)));
    assert!(sealable_text(&mixed).is_some_and(|why| why.contains("post-quantum")));
    let foreign = [plugin, tag];
    assert_eq!(sealable(&foreign).unwrap_err().to_string(), "the program `age-plugin-nowhere` is not in PATH");
    assert_eq!(sealable_text(&foreign), None, "a plugin is missed only where something is sealed");
}

/// Counts reads, and how many bytes they asked for.
struct Far {
    stored: Vec<u8>,
    reads: AtomicUsize,
    bytes: AtomicUsize,
}

impl ReadAt for &Far {
    fn len(&self) -> u64 {
        self.stored.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buffer.len(), Ordering::Relaxed);
        self.stored.as_slice().read_at(offset, buffer)
    }
}

#[test]
fn a_few_bytes_of_a_large_payload_cost_a_few_reads() {
    let plain = noise(20 << 20);
    let far = Far { stored: sealed(&plain, &[public(IDENTITY)]), reads: AtomicUsize::new(0), bytes: AtomicUsize::new(0) };
    let open = UnsealedAt::open(&far, &identities(IDENTITY)).unwrap();
    let seen = || (far.reads.load(Ordering::Relaxed), far.bytes.load(Ordering::Relaxed));
    let (opening, _) = seen();
    assert!(opening <= 2, "{opening} reads to open");
    let mut tail = vec![0; 32 << 10];
    read_exact_at(&open, (20 << 20) - (32 << 10), &mut tail).unwrap();
    assert_eq!(seen().0, opening, "the end is there already");
    let mut frame = vec![0; (8 << 20) + 1000];
    read_exact_at(&open, 3_333_333, &mut frame).unwrap();
    assert!(frame == plain[3_333_333..3_333_333 + frame.len()]);
    let (reads, bytes) = seen();
    assert!(reads <= opening + 2, "{} reads for a frame", reads - opening);
    assert!(bytes < (9 << 20), "{bytes} bytes for a frame");
    let small = Far { stored: sealed(&plain[..100_000], &[public(IDENTITY)]), reads: AtomicUsize::new(0), bytes: AtomicUsize::new(0) };
    let open = UnsealedAt::open(&small, &identities(IDENTITY)).unwrap();
    read_exact_at(&open, 5, &mut vec![0; 90_000]).unwrap();
    assert_eq!(small.reads.load(Ordering::Relaxed), 1, "a small file is read whole");
}

#[test]
fn a_plugin_that_fails_asks_for_something_else_than_a_key_that_does_not_fit() {
    assert!(UnsealError::Plugin("age-plugin-x failed".to_owned()).help().contains("PATH"));
    assert!(UnsealError::NoIdentity.help().contains("secret key"));
}
