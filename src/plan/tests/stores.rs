//! Several stores by literals: promises, roles, clocks, listings without payload, and how far back a new store's past goes.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;

use super::lab::{addresses, artifact, name, now, said};
use crate::facts::{
    Artifact, Facts, Leftover, Listing, Orphan, Owner, Payload, RuntimeFacts, Series, SourceFacts, StoreFacts, Trouble, Writer,
};
use crate::finding::{Severity, world as code};
use crate::model::{PolicySet, read};
use crate::plan::{Plan, Request, Role, Wait, decide, evolve};

const FEW: &str = "few = { keep_last = 1, min_count = 1, min_age = \"1h\" }\nmany = { keep_last = 9 }";

/// One policy on a directory and a bucket, and what both hold.
struct Site {
    set: PolicySet,
    facts: Facts,
}

impl Site {
    fn new(bucket: &str, policy: &str) -> Self {
        let text = format!(
            "version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[store.directory.local]\npath = \"/a\"\n[store.s3.far]\n\
             bucket = \"backups\"\n{bucket}\n[schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n[retention]\n{FEW}\n\
             [guard]\nmax_delete_fraction = 1.0\n[source.files.a]\npaths = [\"/srv\"]\n[policy.a]\nsource = \"a\"\n\
             schedule = \"nightly\"\nretention = \"few\"\n{policy}\n"
        );
        let loaded = read(&[("m.toml".to_owned(), text.clone())], Path::new("/m"));
        let set = loaded.set.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.findings));
        let listed = |store: &str| {
            let listing = Listing { created: Some(now() - TimeDelta::days(30)), ..Listing::empty(store.to_owned()) };
            (name(store), StoreFacts::Ready(Box::new(listing)))
        };
        let facts = Facts {
            at: now(),
            host: "host-1".to_owned(),
            stores: [listed("local"), listed("far")].into(),
            sources: [(name("a"), SourceFacts::Ready)].into(),
            runtime: RuntimeFacts::NotNeeded,
            owed: Vec::new(),
        };
        Self { set, facts }
    }

    /// On both stores, today's included: what is made on each of these days before today.
    fn both() -> Self {
        let mut site = Self::new("", "stores = [\"local\", \"far\"]");
        for store in ["local", "far"] {
            site.has(store, &[0, 1, 2]);
        }
        site
    }

    fn listing(&mut self, store: &str) -> &mut Listing {
        match self.facts.stores.get_mut(store) {
            Some(StoreFacts::Ready(listing)) => listing,
            other => panic!("{other:?}"),
        }
    }

    fn series(&mut self, store: &str) -> &mut Series {
        self.listing(store).series.entry(name("a")).or_default()
    }

    fn has(&mut self, store: &str, days: &[u8]) {
        self.series(store).artifacts.extend(days.iter().map(|day| artifact((*day).into(), 10, 100 + day)));
    }

    /// The artifact of so many days ago.
    fn of(&mut self, store: &str, day: u8) -> &mut Artifact {
        let id = artifact(day.into(), 10, 100 + day).id;
        self.series(store).artifacts.iter_mut().find(|a| a.id == id).unwrap()
    }

    fn plan(&self, role: Role) -> Plan {
        let request = Request { role, ..Request::default() };
        let plan = decide(&self.set, &self.facts, now(), &request);
        let after = decide(&self.set, &evolve(&plan, &self.facts), now(), &request);
        assert!(after.steps.is_empty(), "{:?} after {:?}", addresses(&after), addresses(&plan));
        plan
    }
}

/// The days ago of what is deleted or copied, by store.
fn days(plan: &Plan, kind: &str) -> BTreeSet<(String, i64)> {
    let of = plan.steps.iter().filter(|step| step.work.kind() == kind);
    let id = |address: &str| address.split('/').nth(1)?.split('@').next()?.parse::<crate::model::id::ArtifactId>().ok();
    of.filter_map(|s| Some((s.work.store()?.to_string(), (now() - id(&s.address)?.start()).num_days()))).collect()
}

fn on(store: &str, days: &[i64]) -> BTreeSet<(String, i64)> {
    days.iter().map(|day| (store.to_owned(), *day)).collect()
}

#[test]
fn what_a_store_has_promised_stays_with_its_date_and_keeps_what_it_needs() {
    let mut site = Site::both();
    assert_eq!(days(&site.plan(Role::Whole), "delete"), &on("far", &[1, 2]) | &on("local", &[1, 2]));
    let until = now() + TimeDelta::hours(3);
    let owner = site.of("far", 2).id;
    site.of("far", 1).locked_until = Some(until);
    site.of("far", 1).need = Some(owner.random());
    site.of("local", 1).need = Some(owner.random());
    let plan = site.plan(Role::Whole);
    assert_eq!(days(&plan, "delete"), on("local", &[1, 2]));
    let waiting: Vec<_> = plan.waiting.iter().map(|one| (one.store.as_str(), one.id.unwrap(), one.reason.clone())).collect();
    assert_eq!(waiting, [("far", site.of("far", 1).id, Wait::Locked { until })]);
    assert_eq!(plan.valid_until, Some(until));
    assert!(!plan.refused(), "{:?}", said(&plan));
    site.of("far", 1).locked_until = Some(now());
    assert_eq!(days(&site.plan(Role::Whole), "delete"), &on("far", &[1, 2]) | &on("local", &[1, 2]));
}

#[test]
fn what_a_rule_keeps_is_kept_by_the_rule_and_waits_for_nothing() {
    let mut site = Site::both();
    site.of("far", 0).locked_until = Some(now() + TimeDelta::days(300));
    assert!(site.plan(Role::Whole).waiting.is_empty());
}

fn leftovers(site: &mut Site, locked_until: Option<crate::model::id::Instant>) {
    let old = now() - TimeDelta::days(3);
    let leftover = Leftover { key: "lucid/x".to_owned(), bytes: 5, modified: old, abandoned: false, locked_until };
    site.listing("far").leftovers.push(leftover);
    let id = artifact(7, 1, 9).id.to_string();
    let keys = vec![format!("lucid/data/a/{id}/files")];
    site.series("far").orphans.push(Orphan { id, generation: 1, keys, bytes: 7, youngest: old, abandoned: false, locked_until });
}

#[test]
fn what_interrupted_runs_left_waits_for_its_date_too() {
    let mut site = Site::both();
    leftovers(&mut site, Some(now() + TimeDelta::hours(1)));
    let plan = site.plan(Role::Whole);
    assert!(plan.steps.iter().all(|step| step.work.kind() != "sweep"));
    let left: Vec<_> = plan.waiting.iter().map(|one| (one.address.as_str(), one.bytes)).collect();
    assert_eq!(left, [("sweep:store.far", 5), ("sweep:store.far/a", 7)]);
}

#[test]
fn a_writer_deletes_nothing_and_names_what_waits_for_the_janitor() {
    let mut site = Site::both();
    leftovers(&mut site, None);
    site.series("far").artifacts.retain(|a| a.id != artifact(0, 10, 100).id);
    let plan = site.plan(Role::Writer);
    assert_eq!(addresses(&plan), [format!("copy:policy.a/{}", artifact(0, 10, 100).id)]);
    assert_eq!(plan.waiting.len(), 4 + 2, "{:?}", plan.waiting);
    assert!(plan.waiting.iter().all(|one| one.reason == Wait::Janitor {}) && !plan.refused());
    assert_eq!(plan.holdings.iter().map(|h| h.artifacts).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn a_janitor_only_deletes_and_asks_neither_source_nor_engine() {
    let mut site = Site::both();
    leftovers(&mut site, None);
    site.series("local").artifacts.retain(|a| a.id != artifact(0, 10, 100).id);
    site.facts.sources.insert(name("a"), SourceFacts::NotChecked);
    site.facts.runtime = RuntimeFacts::NotChecked;
    let plan = site.plan(Role::Janitor);
    assert_eq!(days(&plan, "delete"), &on("far", &[1, 2]) | &on("local", &[2]));
    let kinds: BTreeSet<&str> = plan.steps.iter().map(|s| s.work.kind()).collect();
    assert_eq!(kinds, BTreeSet::from(["delete", "sweep"]));
    assert_eq!(plan.valid_until, None);
}

#[test]
fn a_folder_that_a_janitor_cannot_see_blocks_the_first_store_only() {
    for unseen in [StoreFacts::New, StoreFacts::Unusable(Trouble::Away { known: "u".to_owned() })] {
        let mut site = Site::both();
        site.facts.stores.insert(name("local"), unseen.clone());
        let plan = site.plan(Role::Janitor);
        assert_eq!(days(&plan, "delete"), on("far", &[1, 2]));
        assert!(!plan.refused() && plan.findings.iter().any(|f| f.code == code::STORE_UNSEEN), "{:?}", said(&plan));
        let mut other = Site::new("", "stores = [\"far\", \"local\"]");
        other.facts = site.facts;
        let plan = other.plan(Role::Janitor);
        assert!(days(&plan, "delete").is_empty() && plan.findings.iter().any(|f| f.code == code::DELETE_SIBLINGS), "{:?}", said(&plan));
    }
    let mut site = Site::both();
    site.facts.stores.insert(name("far"), StoreFacts::Unusable(Trouble::Away { known: "u".to_owned() }));
    assert!(site.plan(Role::Janitor).refused(), "a bucket is to be seen from everywhere");
}

#[test]
fn a_janitor_deletes_by_the_rules_under_which_the_newest_artifact_was_made() {
    let mut site = Site::both();
    let own = site.set.policies["a"].rules_sha256(site.set.zone);
    let said_by = |manifest: &str, rules: Option<&str>| Writer::Said {
        id: artifact(0, 10, 100).id,
        manifest_sha256: manifest.to_owned(),
        rules: rules.map(str::to_owned),
    };
    let manifest = site.set.manifest_sha256.clone();
    let other = "0".repeat(64);
    for (writer, good) in [
        (said_by(&manifest, None), true),
        (said_by(&other, Some(&own)), true),
        (said_by(&other, Some(&other)), false),
        (said_by(&other, None), false),
        (Writer::Unread { message: "gone".to_owned() }, false),
    ] {
        site.series("far").writer = Some(writer.clone());
        let plan = site.plan(Role::Janitor);
        let deleted = if good { &on("far", &[1, 2]) | &on("local", &[1, 2]) } else { on("local", &[1, 2]) };
        assert_eq!(days(&plan, "delete"), deleted, "{writer:?}");
        assert_eq!(plan.findings.iter().any(|f| f.code == code::OTHER_RULES && f.severity == Severity::Error), !good);
        // who captures has the newest manifest
        assert_eq!(days(&site.plan(Role::Whole), "delete").len(), 4);
    }
    site.series("far").writer = Some(said_by(&other, Some(&other)));
    let both = said(&site.plan(Role::Janitor)).join("\n");
    assert!(both.contains(&other[..12]) && both.contains(&own[..12]), "{both}");
}

#[test]
fn without_its_payload_nothing_of_a_store_goes_and_everything_else_does() {
    let mut site = Site::both();
    leftovers(&mut site, None);
    for store in ["local", "far"] {
        site.listing(store).payload_listed = false;
        site.series(store).artifacts.retain(|a| a.id != artifact(0, 10, 100).id);
    }
    let plan = site.plan(Role::Whole);
    let kinds: Vec<&str> = plan.steps.iter().map(|s| s.work.kind()).collect();
    assert_eq!(kinds, ["capture", "copy"]);
    let left_out = plan.findings.iter().filter(|f| f.code == code::PAYLOAD_UNLISTED && f.severity == Severity::Advice);
    // each store as a whole, and what its retention would let go
    assert_eq!(left_out.count(), 4, "{:?}", said(&plan));
    assert!(!plan.refused());
}

#[test]
fn a_store_whose_clock_is_not_ours_takes_captures_and_gives_nothing_up() {
    for (ahead, blocked) in [(300, false), (-300, false), (301, true), (-301, true)] {
        let mut site = Site::both();
        leftovers(&mut site, None);
        site.listing("far").clock_ahead = Some(ahead);
        let plan = site.plan(Role::Whole);
        assert_eq!(days(&plan, "delete").is_superset(&on("far", &[1, 2])), !blocked);
        assert_eq!(plan.steps.iter().any(|s| s.work.kind() == "sweep"), !blocked);
        assert!(days(&plan, "delete").is_superset(&on("local", &[1, 2])));
        assert_eq!(plan.findings.iter().filter(|f| f.code == code::CLOCK_SKEW).count(), if blocked { 2 } else { 0 });
        site.series("far").artifacts.clear();
        let plan = site.plan(Role::Whole);
        assert_eq!(days(&plan, "copy"), on("far", &[0]));
        assert!(!plan.refused(), "nothing was to be deleted: {:?}", said(&plan));
    }
}

#[test]
fn a_new_store_is_given_as_much_of_the_past_as_the_manifest_says() {
    let past = |backfill: &str, there: &[u8]| {
        let bucket = format!("backfill = \"{backfill}\"");
        let mut site = Site::new(&bucket, "stores = [\"local\", \"far\"]\nretention_at = { local = \"many\", far = \"many\" }");
        site.has("local", &[0, 1, 2, 3, 4]);
        site.has("far", there);
        site.listing("far").created = Some(now() - TimeDelta::hours(40));
        days(&site.plan(Role::Whole), "copy")
    };
    assert_eq!(past("all", &[]), on("far", &[0, 1, 2, 3, 4]));
    assert_eq!(past("newest", &[]), on("far", &[0]));
    assert_eq!(past("none", &[]), on("far", &[0, 1]));
    for backfill in ["newest", "none"] {
        assert_eq!(past(backfill, &[3, 1]), on("far", &[0, 2]), "what was missed since is made up");
    }
    assert_eq!(past("newest", &[0]), on("far", &[]));
    assert_eq!(past("none", &[0]), on("far", &[1]), "its copy failed, and a later one arrived");
}

#[test]
fn the_past_begins_with_what_its_newest_needs() {
    let bucket = "backfill = \"newest\"";
    let mut site = Site::new(bucket, "stores = [\"local\", \"far\"]\nretention_at = { local = \"many\", far = \"many\" }");
    site.has("local", &[0, 1, 2, 3, 4]);
    let owner = site.of("local", 2).id.random();
    for day in [0, 1] {
        site.of("local", day).need = Some(owner);
    }
    assert_eq!(days(&site.plan(Role::Whole), "copy"), on("far", &[0, 1, 2]));
}

#[test]
fn a_copy_that_failed_is_wanted_again_unless_the_past_begins_after_it() {
    let wanted = |there: &[u8]| {
        let bucket = "backfill = \"newest\"";
        let mut site = Site::new(bucket, "stores = [\"local\", \"far\"]\nretention_at = { local = \"many\", far = \"many\" }");
        site.has("local", &[0, 1, 2, 3, 4]);
        // the newest needs the bytes of one that is older than those between
        site.of("local", 0).need = Some(site.of("local", 3).id.random());
        site.has("far", there);
        days(&site.plan(Role::Whole), "copy")
    };
    assert_eq!(wanted(&[]), on("far", &[0, 1, 2, 3]));
    assert_eq!(wanted(&[2]), on("far", &[0, 1, 3]), "the copy of the owner failed, and so did what needs it");
    assert_eq!(wanted(&[1]), on("far", &[0, 2, 3]));
    assert_eq!(wanted(&[3, 2]), on("far", &[0, 1]), "a younger one arrived before it");
    assert_eq!(wanted(&[3, 1]), on("far", &[0, 2]));
    assert_eq!(wanted(&[4, 1]), on("far", &[0, 2, 3]));
    let mut site = Site::new("backfill = \"newest\"", "stores = [\"local\", \"far\"]\nretention_at = { far = \"many\" }");
    site.has("local", &[0, 1]);
    site.has("far", &[0]);
    assert_eq!(days(&site.plan(Role::Whole), "copy"), on("far", &[]), "yesterday's failed when nothing was there");
}

#[test]
fn what_a_new_store_is_not_given_is_not_kept_for_it() {
    let bucket = "backfill = \"newest\"";
    let mut site = Site::new(bucket, "stores = [\"local\", \"far\"]\nretention_at = { far = \"many\" }");
    site.has("local", &[0, 1, 2]);
    let plan = site.plan(Role::Whole);
    assert_eq!((days(&plan, "copy"), days(&plan, "delete")), (on("far", &[0]), on("local", &[1, 2])));
}

#[test]
fn a_store_that_is_away_takes_its_copies_when_it_is_back() {
    let mut site = Site::new("", "stores = [\"local\", \"far\"]");
    site.has("local", &[1]);
    let away = StoreFacts::Unusable(Trouble::Away { known: "u".to_owned() });
    let there = site.facts.stores.insert(name("far"), away).unwrap();
    let plan = site.plan(Role::Whole);
    assert_eq!(addresses(&plan), ["capture:policy.a"]);
    assert!(plan.refused() && plan.findings.iter().any(|f| f.code == code::STORE_AWAY));
    site.facts = evolve(&plan, &site.facts);
    site.facts.stores.insert(name("far"), there);
    let plan = site.plan(Role::Whole);
    assert!(!plan.refused() && plan.steps.iter().any(|s| s.work.kind() == "copy"), "{:?}", said(&plan));
    // and the other way round: the second store takes the capture
    let mut site = Site::new("", "stores = [\"local\", \"far\"]");
    site.facts.stores.insert(name("local"), StoreFacts::Unusable(Trouble::Away { known: "u".to_owned() }));
    let plan = site.plan(Role::Whole);
    assert_eq!(plan.steps.iter().map(|s| s.work.store().unwrap().as_str()).collect::<Vec<_>>(), ["far"]);
}

#[test]
fn where_nobody_looked_at_services_captures_are_shown_without_stops() {
    let mut lab = super::lab::Lab::new(&[("a", &["web"]), ("b", &[])]).services(&["web"]).runs([super::lab::container("web")]);
    lab.facts.runtime = RuntimeFacts::NotChecked;
    let plan = lab.plan();
    assert_eq!(addresses(&plan), ["capture:policy.a", "capture:policy.b"]);
    let unseen: Vec<_> = plan.findings.iter().filter(|f| f.code == code::SERVICES_UNSEEN).collect();
    assert_eq!(unseen.len(), 1);
    assert!(unseen[0].message.contains("`a`") && !unseen[0].message.contains("`b`"), "{:?}", said(&plan));
}

#[test]
fn a_store_that_demands_encryption_is_given_no_copy_that_anybody_can_read() {
    let recipients = "recipients = [\"age1a\", \"age1b\"]\nstores = [\"local\", \"far\"]\nretention_at = { far = \"many\" }";
    let mut site = Site::new("require_encryption = true", recipients);
    site.has("local", &[0, 1, 2, 3]);
    site.of("local", 3).generations[0].readable = true;
    let owner = site.of("local", 3).id;
    // its bytes are those of what can be read
    site.of("local", 2).need = Some(owner.random());
    let plan = site.plan(Role::Whole);
    assert_eq!(days(&plan, "copy"), on("far", &[0, 1]));
    // what is not taken elsewhere is waited for by nobody
    assert!(days(&plan, "delete").is_superset(&on("local", &[2, 3])), "{:?}", addresses(&plan));
    let about: Vec<_> = plan.findings.iter().filter(|finding| finding.code == code::READABLE_STAYS).collect();
    assert!(about.len() == 1 && about[0].message.contains("store `far` takes no copy of 2 artifacts"), "{:?}", said(&plan));
    assert!(!plan.refused());
    // without its payload nobody knows who can read it
    site.listing("local").payload_listed = false;
    assert_eq!(days(&site.plan(Role::Whole), "copy"), on("far", &[]));
}

#[test]
fn what_is_larger_than_a_store_takes_is_said_and_not_tried() {
    let about = |plan: &Plan| -> Vec<String> {
        plan.findings.iter().filter(|f| f.code == code::SEGMENT_TOO_LARGE).map(|f| f.message.clone()).collect()
    };
    let mut site = Site::new("max_parts = 7", "stores = [\"local\", \"far\"]\nretention_at = { far = \"many\" }");
    site.has("local", &[0, 1, 2, 3]);
    site.listing("far").largest = Some(100);
    for (day, largest) in [(0, 10), (1, 100), (3, 101)] {
        site.of("local", day).generations[0].largest = largest;
    }
    let owner = site.of("local", 3).id;
    // its bytes are those of what is too large
    site.of("local", 2).need = Some(owner.random());
    let plan = site.plan(Role::Whole);
    assert_eq!(days(&plan, "copy"), on("far", &[0, 1]));
    assert_eq!(days(&plan, "delete"), on("local", &[1]), "what the other store would keep is kept for it");
    let [said] = about(&plan).try_into().unwrap();
    for part in ["store `far`", "2 artifacts of policy `a`", &owner.to_string(), "101 B", "100 B at most"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!plan.refused());
    // one that lies there already is as good as ever, and one that is damaged there stays as it is
    site.has("far", &[3]);
    let plan = site.plan(Role::Whole);
    assert_eq!((days(&plan, "copy"), about(&plan)), (on("far", &[0, 1, 2]), Vec::new()));
    site.of("far", 3).generations[0].payload = Payload::Damaged;
    let plan = site.plan(Role::Whole);
    assert_eq!((days(&plan, "copy"), about(&plan).len()), (on("far", &[0, 1]), 1));
    site.listing("far").largest = Some(101);
    assert_eq!(days(&site.plan(Role::Whole), "copy"), on("far", &[0, 1, 2, 3]));
}

#[test]
fn a_host_that_only_deletes_leaves_a_single_writer_to_its_host_and_says_what_is_not_there() {
    let mut site = Site::new("coordination = \"single-writer\"", "stores = [\"local\", \"far\"]");
    for store in ["local", "far"] {
        site.has(store, &[0, 1, 2]);
    }
    let left = Leftover { key: "lucid/x".to_owned(), bytes: 1, modified: now() - TimeDelta::days(9), abandoned: false, locked_until: None };
    site.listing("far").leftovers.push(left);
    let kinds = |plan: &Plan| plan.steps.iter().filter(|s| s.work.store().unwrap().as_str() == "far").count();
    assert_eq!(kinds(&site.plan(Role::Janitor)), 3);
    site.listing("far").owner = Some(Owner { n: 1, host: "host-2".to_owned(), hostname: "db2".to_owned(), at: now() });
    let plan = site.plan(Role::Janitor);
    let about: Vec<_> = plan.findings.iter().filter(|f| f.code == code::OTHER_HOST).collect();
    assert_eq!((kinds(&plan), about.len(), plan.refused()), (0, 1, true));
    assert!(about[0].message.contains("`db2`"), "{:?}", said(&plan));
    site.facts.host = "host-2".to_owned();
    assert_eq!(kinds(&site.plan(Role::Janitor)), 3);
    site.facts.stores.insert(name("far"), StoreFacts::New);
    let plan = site.plan(Role::Janitor);
    assert!(plan.refused() && plan.findings.iter().any(|f| f.code == code::STORE_AWAY), "{:?}", said(&plan));
}
