//! A plan over a store of a million artifacts without any network: `cargo bench --bench catalog`. Prints one line; asserts nothing
//! about time.
//!
//! The store is made up as it is listed, in pieces of a thousand as a bucket gives them, so that what is measured is only what the program
//! makes of it: time, and the peak of its memory.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant as Stopwatch;

use chrono::TimeDelta;
use lucid_policy::facts::{Facts, RuntimeFacts, SourceFacts};
use lucid_policy::model::id::{ArtifactId, Capture, Instant, Random, stamp};
use lucid_policy::observe::store::{Look, look};
use lucid_policy::plan::{Request, decide};
use lucid_policy::store::{Object, Reach, ReadStore, StoreError, Survey};

const COUNT: u32 = 1_000_000;
const SERIES: u32 = 20;
/// Objects of a page of a listing.
const PAGE: usize = 1_000;
const MARK: &str = r#"{"format_version":"1.0","uuid":"6f1c1f1e-8d4b-4f0e-9d65-0f1e2d3c4b5a","created":"2020-01-01T00:00:00Z"}"#;

struct MadeUp {
    now: Instant,
}

impl MadeUp {
    /// An hour apart; the last is an hour old.
    fn id(&self, series: u32, number: u32) -> ArtifactId {
        let mut random = [0; 10];
        random[6..].copy_from_slice(&(series * COUNT + number).to_be_bytes());
        ArtifactId::new(self.now - TimeDelta::hours(i64::from(COUNT / SERIES - number)), Capture::Full, Random::new(random))
    }

    fn objects(&self, area: &str) -> impl Iterator<Item = Object> {
        let payload = area == "data";
        let ids = (0..SERIES).flat_map(move |series| (0..COUNT / SERIES).map(move |number| (series, self.id(series, number))));
        let (newest, slot) = (self.now - TimeDelta::hours(1), stamp("2026-01-01T00:00:00Z".parse().expect("a time")));
        ids.flat_map(move |(series, id)| {
            let at = stamp(id.start());
            let slot = if id.start() == newest { slot.as_str() } else { "-" };
            let keys = if payload {
                let folder = format!("bench/data/series-{series:02}/{id}");
                vec![(format!("{folder}/files.tar.zst"), 226), (format!("{folder}/files.tar.zst.index"), 248)]
            } else {
                vec![(format!("bench/catalog/series-{series:02}/{id}_{at}_{slot}_-_-_474.json"), 900)]
            };
            keys.into_iter().map(move |(key, bytes)| Object { key, bytes, modified: id.start() })
        })
    }
}

impl ReadStore for MadeUp {
    fn place(&self) -> String {
        "a bucket that is made up".to_owned()
    }

    fn survey(&self, prefix: &str, _: Reach) -> Result<Survey, StoreError> {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let folders = match prefix {
            "" => named(&["bench/"]),
            "bench/" => named(&["catalog/", "data/"]),
            _ => Vec::new(),
        };
        Ok(Survey { folders, ..Survey::default() })
    }

    fn pieces(&self, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Survey, StoreError> {
        let area = prefix.trim_start_matches("bench/").trim_end_matches('/');
        let mut objects = self.objects(area);
        loop {
            let page: Vec<Object> = objects.by_ref().take(PAGE).collect();
            if page.is_empty() {
                return Ok(Survey::default());
            }
            take(page);
        }
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        if key == "lucid.json" { Ok(MARK.into()) } else { Err(StoreError::of("made up", "read", key, io::ErrorKind::NotFound.into())) }
    }

    fn open(&self, key: &str, _: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.get(key).map(|bytes| Box::new(io::Cursor::new(bytes)) as _)
    }

    fn read_at(&self, key: &str, _: u64, _: &mut [u8]) -> Result<usize, StoreError> {
        self.get(key).map(|_| 0)
    }

    fn look(&self, _: &str) -> Result<Option<Object>, StoreError> {
        Ok(None)
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}

fn manifest() -> String {
    let policy =
        |n: u32| format!("[policy.series-{n:02}]\nsource = \"tree\"\nschedule = \"yearly\"\nretention = \"all\"\nstores = [\"offsite\"]\n");
    let head = "version = 1\nname = \"bench\"\ntimezone = \"Etc/UTC\"\n[store.directory.offsite]\npath = \"unused\"\n\
                [schedule]\nyearly = { cron = \"0 0 1 1 *\" }\n[retention]\nall = { keep_within = \"3650d\" }\n[source.files.tree]\npaths = [\"data\"]\n";
    head.to_owned() + &(0..SERIES).map(policy).collect::<String>()
}

/// The peak of this process's memory, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

fn main() {
    let now: Instant = "2026-11-23T02:00:00Z".parse().expect("a time");
    let loaded = lucid_policy::model::read(&[("lucid-policy.toml".to_owned(), manifest())], Path::new("/"));
    let set = loaded.set.unwrap_or_else(|| panic!("the manifest is wrong: {:?}", loaded.findings));
    let store = MadeUp { now };
    let before = peak();
    let watch = Stopwatch::now();
    let asked = Look { instance: &set.instance, known: None, host: None, payload: true, side_by_side: true, own: &[], now };
    let seen = look(&store, &asked);
    let (looked, held) = (watch.elapsed(), peak());
    let listed: usize = seen.listing().map_or(0, |listing| listing.series.values().map(|series| series.artifacts.len()).sum());
    assert_eq!(listed, usize::try_from(COUNT).expect("a number"));
    let facts = Facts {
        at: now,
        host: "bench".to_owned(),
        stores: BTreeMap::from([("offsite".parse().expect("a name"), seen)]),
        sources: BTreeMap::from([("tree".parse().expect("a name"), SourceFacts::Ready)]),
        runtime: RuntimeFacts::NotNeeded,
        owed: Vec::new(),
    };
    let plan = decide(&set, &facts, now, &Request::default());
    assert!(plan.is_empty() && plan.findings.is_empty(), "{} steps, {:?}", plan.steps.len(), plan.findings);
    #[expect(clippy::print_stdout, reason = "a benchmark prints its figure")]
    {
        println!(
            "a plan over {COUNT} artifacts: {:.1} s, of which listing {:.1} s; peak {} MiB, {held} MiB after listing, {before} MiB before",
            watch.elapsed().as_secs_f64(),
            looked.as_secs_f64(),
            peak()
        );
    }
}
