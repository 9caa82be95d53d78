//! Where everything is in a store. **[format]**
//!
//! ```text
//! lucid.json                                     the mark: format version and uuid of the store
//! <instance>/owner/<n>.json                      the host that captures and copies; the highest n counts
//! <instance>/manifests/<sha256>.tar.zst[.age]    the manifest's files; the digest is of the files, see the record
//! <instance>/catalog/<series>/<key>.json         a record; its name is a `CatalogKey`
//! <instance>/data/<series>/<id>/<file>           payload of the first generation
//! <instance>/data/<series>/<id>/r<n>/<file>      payload of generation n, from 2 on
//! <instance>/runs/<stamp>-<run>.json             what a run did
//! <instance>/checks/<series>/<id>/<stamp>-r<n>-L<n>-<pass|fail|unrun>.json
//! <instance>/holds/<series>/<id>/<name>.json     a pin
//! <instance>/lock/<series>                       a lease; the object stays when the lease ends
//! <instance>/sets/..., <instance>/index/...      reserved: ours, and left alone
//! ```
//!
//! `<instance>`, `<series>` and a hold's `<name>` are names: `[a-z0-9][a-z0-9-]{0,62}`. `<id>` is `<stamp>-<capture>-<16
//! letters>`, `<run>` are 16 letters, a `<stamp>` is `YYYYMMDDThhmmssmmmZ` in UTC. A `<file>` is of letters, digits, `.`, `-`
//! and `_`, does not start with `.`, and is no `r<n>`. Numbers have no leading zeros. An object that a write has not finished has
//! a name that starts with [`TEMP_PREFIX`], in the folder of the object that it will be.
//!
//! What [`parse`] does not know is not ours, and whoever lists it leaves it alone.

use crate::model::id::{ArtifactId, Instant, Name, RANDOM_LEN, Random, STAMP_LEN, parse_stamp, stamp};

use super::digest::Sha256Sum;
use super::key::{CatalogKey, canonical};

/// The key of the store's mark.
pub const MARK: &str = "lucid.json";
/// How the names of unfinished objects start.
pub const TEMP_PREFIX: &str = ".lucid-tmp-";
/// How the folder starts in which `doctor` tries a store out, beside the instances.
pub const SCRATCH_PREFIX: &str = "lucid-doctor-";

/// A folder directly below the instance's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Claims of hosts.
    Owner,
    /// Manifests' files.
    Manifests,
    /// Records.
    Catalog,
    /// Payload.
    Data,
    /// Set records: reserved.
    Sets,
    /// Run records.
    Runs,
    /// Outcomes of verifications.
    Checks,
    /// Pins.
    Holds,
    /// Leases.
    Lock,
    /// Rebuildable summaries: reserved.
    Index,
}

impl Area {
    /// Every area, in the order of the page above.
    pub const ALL: [Self; 10] = [
        Self::Owner,
        Self::Manifests,
        Self::Catalog,
        Self::Data,
        Self::Sets,
        Self::Runs,
        Self::Checks,
        Self::Holds,
        Self::Lock,
        Self::Index,
    ];

    /// The folder's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manifests => "manifests",
            Self::Catalog => "catalog",
            Self::Data => "data",
            Self::Sets => "sets",
            Self::Runs => "runs",
            Self::Checks => "checks",
            Self::Holds => "holds",
            Self::Lock => "lock",
            Self::Index => "index",
        }
    }

    /// The area of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.as_str() == name)
    }

    /// The prefix of every key in it.
    pub fn folder(self, instance: &Name) -> String {
        format!("{instance}/{}/", self.as_str())
    }
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All good down to its level.
    Pass,
    /// It could not be run.
    Unrun,
    /// Damage.
    Fail,
}

impl Verdict {
    /// The word in keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unrun => "unrun",
            Self::Fail => "fail",
        }
    }
}

/// The name of a check: what it looked at, when, how deep, what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckKey {
    /// When it ended.
    pub at: Instant,
    /// The generation it looked at.
    pub generation: u32,
    /// How deep: 0 to 4.
    pub level: u8,
    /// What it found.
    pub verdict: Verdict,
}

/// What an object is, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place<'a> {
    /// The store's mark.
    Mark,
    /// The n-th claim.
    Owner(u32),
    /// A manifest's files.
    Manifest {
        /// The digest in the name.
        sha256: Sha256Sum,
        /// Whether it is encrypted.
        encrypted: bool,
    },
    /// A record.
    Record(Name, CatalogKey),
    /// Payload.
    Data {
        /// The series.
        series: Name,
        /// The artifact.
        id: ArtifactId,
        /// 1, or the repair's number.
        generation: u32,
        /// The object's own name.
        file: &'a str,
    },
    /// A run record.
    Run(Instant, Random),
    /// A check of an artifact.
    Check(Name, ArtifactId, CheckKey),
    /// A pin on an artifact.
    Hold(Name, ArtifactId, Name),
    /// The lease of a series.
    Lock(Name),
    /// Ours, of a kind that this version leaves alone.
    Reserved,
}

/// What the names of encrypted objects end with.
pub const ENCRYPTED: &str = ".age";

/// The key of the n-th claim.
pub fn owner(instance: &Name, n: u32) -> String {
    format!("{instance}/owner/{n}.json")
}

/// The key of a manifest's files.
pub fn manifest(instance: &Name, sha256: &Sha256Sum, encrypted: bool) -> String {
    format!("{instance}/manifests/{sha256}.tar.zst{}", if encrypted { ENCRYPTED } else { "" })
}

/// The key of a record.
pub fn record(instance: &Name, series: &Name, key: &CatalogKey) -> String {
    format!("{instance}/catalog/{series}/{key}.json")
}

/// The folder of a generation's payload, ending in `/`.
pub fn payload_folder(instance: &Name, series: &Name, id: &ArtifactId, generation: u32) -> String {
    let repair = if generation > 1 { format!("r{generation}/") } else { String::new() };
    format!("{instance}/data/{series}/{id}/{repair}")
}

/// The key of one payload object.
pub fn data(instance: &Name, series: &Name, id: &ArtifactId, generation: u32, file: &str) -> String {
    payload_folder(instance, series, id, generation) + file
}

/// The key of a run record.
pub fn run(instance: &Name, at: Instant, run: &Random) -> String {
    format!("{instance}/runs/{}-{run}.json", stamp(at))
}

/// The folder of an artifact's checks, ending in `/`.
pub fn checks_folder(instance: &Name, series: &Name, id: &ArtifactId) -> String {
    format!("{instance}/checks/{series}/{id}/")
}

/// The key of a check.
pub fn check(instance: &Name, series: &Name, id: &ArtifactId, check: &CheckKey) -> String {
    let CheckKey { at, generation, level, verdict } = check;
    format!("{}{}-r{generation}-L{level}-{}.json", checks_folder(instance, series, id), stamp(*at), verdict.as_str())
}

/// The folder of an artifact's pins, ending in `/`.
pub fn holds_folder(instance: &Name, series: &Name, id: &ArtifactId) -> String {
    format!("{instance}/holds/{series}/{id}/")
}

/// The key of a pin.
pub fn hold(instance: &Name, series: &Name, id: &ArtifactId, name: &Name) -> String {
    format!("{}{name}.json", holds_folder(instance, series, id))
}

/// The key of a series' lease.
pub fn lock(instance: &Name, series: &Name) -> String {
    format!("{instance}/lock/{series}")
}

/// Whether a text can be the name of a payload object.
pub fn is_file_name(text: &str) -> bool {
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=200).contains(&text.len()) && text.bytes().all(letters) && !text.starts_with('.') && generation_folder(text).is_none()
}

/// What the object `key` of `instance` is, if it is ours.
pub fn parse<'a>(instance: &Name, key: &'a str) -> Option<Place<'a>> {
    if key == MARK {
        return Some(Place::Mark);
    }
    let (area, rest) = key.strip_prefix(instance.as_str())?.strip_prefix('/')?.split_once('/')?;
    match Area::from_name(area)? {
        Area::Owner => Some(Place::Owner(number(rest.strip_suffix(".json")?)?)),
        Area::Manifests => {
            let (rest, encrypted) = rest.strip_suffix(ENCRYPTED).map_or((rest, false), |rest| (rest, true));
            Some(Place::Manifest { sha256: rest.strip_suffix(".tar.zst")?.parse().ok()?, encrypted })
        }
        Area::Catalog => {
            let (series, name) = rest.split_once('/')?;
            Some(Place::Record(series.parse().ok()?, CatalogKey::from_file_name(name).ok()?))
        }
        Area::Data => {
            let (series, id, rest) = in_series(rest)?;
            let (generation, file) = generation_of(rest)?;
            Some(Place::Data { series, id, generation, file })
        }
        Area::Runs => {
            let rest = rest.strip_suffix(".json").filter(|rest| rest.is_ascii() && rest.len() == STAMP_LEN + 1 + RANDOM_LEN)?;
            let (at, run) = (parse_stamp(&rest[..STAMP_LEN]).ok()?, rest[STAMP_LEN..].strip_prefix('-')?);
            Some(Place::Run(at, run.parse().ok()?))
        }
        Area::Checks => {
            let (series, id, rest) = in_series(rest)?;
            Some(Place::Check(series, id, check_name(rest.strip_suffix(".json")?)?))
        }
        Area::Holds => {
            let (series, id, rest) = in_series(rest)?;
            Some(Place::Hold(series, id, rest.strip_suffix(".json")?.parse().ok()?))
        }
        Area::Lock => Some(Place::Lock(rest.parse().ok()?)),
        Area::Sets | Area::Index => Some(Place::Reserved),
    }
}

fn in_series(rest: &str) -> Option<(Name, ArtifactId, &str)> {
    let (series, rest) = rest.split_once('/')?;
    let (id, rest) = rest.split_once('/')?;
    Some((series.parse().ok()?, id.parse().ok()?, rest))
}

fn check_name(text: &str) -> Option<CheckKey> {
    let mut parts = text.split('-');
    let at = parse_stamp(parts.next()?).ok()?;
    let generation = number(parts.next()?.strip_prefix('r')?).filter(|n| *n > 0)?;
    let level = parts.next()?.strip_prefix('L').and_then(number).and_then(|n| u8::try_from(n).ok())?;
    let word = parts.next()?;
    let verdict = [Verdict::Pass, Verdict::Unrun, Verdict::Fail].into_iter().find(|verdict| verdict.as_str() == word)?;
    if parts.next().is_some() { None } else { Some(CheckKey { at, generation, level, verdict }) }
}

/// Whether a payload's object is encrypted, as its name says: it ends with `.age`, before the number of a segment.
pub fn is_encrypted(key: &str) -> bool {
    let numbered = key.rsplit_once('.').filter(|(_, n)| n.len() >= 3 && n.bytes().all(|byte| byte.is_ascii_digit()));
    numbered.map_or(key, |(name, _)| name).ends_with(ENCRYPTED)
}

/// The generation and the object's own name, of what follows `<id>/` in a payload's key.
pub fn generation_of(rest: &str) -> Option<(u32, &str)> {
    let (generation, file) = match rest.split_once('/') {
        None => (1, rest),
        Some((folder, file)) => (generation_folder(folder)?, file),
    };
    is_file_name(file).then_some((generation, file))
}

/// The number of a repair's folder, from 2 on.
fn generation_folder(text: &str) -> Option<u32> {
    text.strip_prefix('r').and_then(number).filter(|n| *n > 1)
}

fn number(text: &str) -> Option<u32> {
    canonical(text).and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Capture;

    #[test]
    fn every_key_reads_back_as_what_it_is() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let (lucid, series) = (name("lucid"), name("config"));
        let at: Instant = "2026-11-23T02:00:00.123Z".parse().unwrap();
        let random = Random::new([9; 10]);
        let id = ArtifactId::new(at, Capture::Full, random);
        let key = CatalogKey { id, instant: at, slot: None, need: None, set: None, bytes: 7, generation: 3 };
        let checked = CheckKey { at, generation: 2, level: 1, verdict: Verdict::Unrun };
        let sha256 = Sha256Sum::of(b"");
        let all = [
            (MARK.to_owned(), Place::Mark),
            (owner(&lucid, 12), Place::Owner(12)),
            (manifest(&lucid, &sha256, false), Place::Manifest { sha256, encrypted: false }),
            (manifest(&lucid, &sha256, true), Place::Manifest { sha256, encrypted: true }),
            (record(&lucid, &series, &key), Place::Record(series.clone(), key)),
            (
                data(&lucid, &series, &id, 1, "files.tar.zst"),
                Place::Data { series: series.clone(), id, generation: 1, file: "files.tar.zst" },
            ),
            (data(&lucid, &series, &id, 12, "a.002"), Place::Data { series: series.clone(), id, generation: 12, file: "a.002" }),
            (run(&lucid, at, &random), Place::Run(at, random)),
            (check(&lucid, &series, &id, &checked), Place::Check(series.clone(), id, checked)),
            (hold(&lucid, &series, &id, &name("audit")), Place::Hold(series.clone(), id, name("audit"))),
            (lock(&lucid, &series), Place::Lock(series.clone())),
            ("lucid/sets/full-system/anything".to_owned(), Place::Reserved),
            ("lucid/index/a/b".to_owned(), Place::Reserved),
        ];
        for (key, place) in all {
            assert_eq!(parse(&lucid, &key).as_ref(), Some(&place), "{key}");
            assert_eq!(parse(&name("luci"), &key).is_some(), place == Place::Mark, "{key}");
        }
        assert_eq!(check(&lucid, &series, &id, &checked), format!("lucid/checks/config/{id}/20261123T020000123Z-r2-L1-unrun.json"));
    }

    #[test]
    fn what_is_encrypted_says_so_in_its_name() {
        for (name, is) in [
            ("a/files.tar.zst.age", true),
            ("a/files.tar.zst.age.002", true),
            ("a/files.tar.zst.index.age", true),
            ("a/files.tar.zst", false),
            ("a/files.tar.zst.002", false),
            ("a/files.tar.zst.index", false),
            ("a/dump.age.zst", false),
        ] {
            assert_eq!(is_encrypted(name), is, "{name}");
        }
    }

    #[test]
    fn what_is_not_ours_has_no_place() {
        let id = "20261123T020000123Z-full-aeaqcaibaeaqcaib";
        for key in [
            "lucid".to_owned(),
            "lucid/".to_owned(),
            "lucid/readme.txt".to_owned(),
            "lucid/other/x".to_owned(),
            "lucid/owner/01.json".to_owned(),
            "lucid/owner/1.txt".to_owned(),
            "lucid/catalog/x.json".to_owned(),
            "lucid/catalog/config/x.json".to_owned(),
            "lucid/data/config/x/files".to_owned(),
            format!("lucid/data/config/{id}"),
            format!("lucid/data/config/{id}/r1/files"),
            format!("lucid/data/config/{id}/r2"),
            format!("lucid/data/config/{id}/r2/deep/files"),
            format!("lucid/data/config/{id}/.DS_Store"),
            format!("lucid/data/Config/{id}/files"),
            format!("lucid/checks/config/{id}/20261123T020000123Z-r0-L1-pass.json"),
            format!("lucid/checks/config/{id}/20261123T020000123Z-r1-L1-good.json"),
            "lucid/lock/a/b".to_owned(),
            "lucid/runs/20261123T020000123Z.json".to_owned(),
        ] {
            assert_eq!(parse(&"lucid".parse().unwrap(), &key), None, "{key}");
        }
    }
}
