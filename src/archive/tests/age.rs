//! `age` opens what we seal, and we open what `age` seals.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::super::read_at::{ReadAt, read_exact_at};
use super::super::sealed::{Identities, Recipient, Seal, Unsealed, UnsealedAt, Voice};
use super::tree::run;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/formats/age");
/// Secret keys, and where their public halves are.
const PAIRS: [(&str, &str); 3] = [("identity.txt", "identity.txt"), ("ssh-ed25519", "ssh-ed25519.pub"), ("ssh-rsa", "ssh-rsa.pub")];

fn key(name: &str) -> String {
    format!("{KEYS}/{name}")
}

fn public(name: &str) -> String {
    let text = fs::read_to_string(key(name)).unwrap();
    text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap_or(text.trim()).to_owned()
}

fn identities(name: &str) -> Identities {
    Identities::parse(fs::read(key(name)).unwrap(), &(Arc::new(|_: &str| ()) as Voice)).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn age_opens_what_we_seal() {
    let work = tempfile::tempdir().unwrap();
    let (stored, back) = (work.path().join("stored"), work.path().join("back"));
    let to: Vec<Recipient> = PAIRS.iter().map(|(_, name)| public(name).parse().unwrap()).collect();
    for length in [0, 1, 64 << 10, (64 << 10) + 1, 300_000] {
        let plain: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let mut seal = Seal::new(&to, fs::File::create(&stored).unwrap()).unwrap();
        seal.write_all(&plain).unwrap();
        seal.finish().unwrap();
        for (name, _) in PAIRS {
            // It makes no file where nothing comes out.
            fs::write(&back, "").unwrap();
            run("age", &["-d", "-i", &key(name), "-o", text(&back), text(&stored)]);
            assert!(fs::read(&back).unwrap() == plain, "{length} bytes by {name}");
        }
    }
}

#[test]
fn we_open_what_age_seals() {
    let work = tempfile::tempdir().unwrap();
    let (plain, stored) = (work.path().join("plain"), work.path().join("stored"));
    let to: Vec<String> = PAIRS.iter().flat_map(|(_, name)| ["-r".to_owned(), public(name)]).collect();
    for length in [0, 1, 64 << 10, (128 << 10) + 1, 300_000] {
        let content: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        fs::write(&plain, &content).unwrap();
        let mut args: Vec<&str> = to.iter().map(String::as_str).collect();
        args.extend(["-o", text(&stored), text(&plain)]);
        run("age", &args);
        for (name, _) in PAIRS {
            let by = identities(name);
            let mut read = Vec::new();
            Unsealed::open(fs::File::open(&stored).unwrap(), &by).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == content, "{length} bytes by {name}");
            let at = UnsealedAt::open(fs::File::open(&stored).unwrap(), &by).unwrap();
            assert_eq!(at.len(), u64::from(length));
            let middle = content.len() / 3;
            let mut read = vec![0; content.len() - middle];
            read_exact_at(&at, middle as u64, &mut read).unwrap();
            assert!(read == content[middle..], "{length} bytes by {name}");
        }
    }
}
