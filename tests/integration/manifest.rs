//! Manifests: the ones that must work, and one that must not for every code.
//!
//! `manifests/invalid/<code>[_variant].toml` must give a finding of that code, and its drawing stands beside it. On a difference the
//! new drawing is written to `<name>.txt.new`: look at it, then move it. A line `#--- NAME` begins another file of the same manifest.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lucid_policy::execute::judge_recipients;
use lucid_policy::finding::{Code, Finding, Origin, TextOptions, sort, to_text, to_value};
use lucid_policy::model::{Loaded, Mode, Name, Ready, ServiceKind, read};
use lucid_policy::{graph, lint, manifest};
use proptest::prelude::*;

/// Reads a manifest as if it stood in `/etc/lucid`, so that drawings do not depend on where the tests run.
fn load(files: &[(String, String)]) -> (Loaded, Vec<Finding>) {
    let loaded = read(files, Path::new("/etc/lucid"));
    let mut findings = loaded.findings.clone();
    findings.extend(graph::cycles(&loaded));
    findings.extend(lint::judge(&loaded));
    findings.extend(judge_recipients(&loaded));
    sort(&mut findings);
    (loaded, findings)
}

fn one(name: &str, text: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), text.to_owned())]
}

fn drawn(findings: &[Finding], loaded: &Loaded) -> String {
    to_text(findings, &loaded.texts, TextOptions::default())
}

#[expect(clippy::unwrap_used, reason = "a test's own folder")]
fn files_of(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    files
}

/// The manifest's files in one fixture.
fn split(text: &str) -> Vec<(String, String)> {
    let mut parts = text.split("#--- ");
    let first = parts.next().unwrap_or_default();
    let rest = parts.filter_map(|part| part.split_once('\n'));
    std::iter::once(("lucid-policy.toml", first)).chain(rest).map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn the_quickstart_says_nothing_and_means_what_it_says() {
    let text = fs::read_to_string("examples/quickstart/lucid-policy.toml").unwrap();
    let (loaded, findings) = load(&one("lucid-policy.toml", &text));
    assert!(findings.is_empty(), "{}", drawn(&findings, &loaded));
    let set = loaded.set.unwrap();
    let policy = &set.policies["config"];
    assert_eq!(policy.stores, ["local".parse().unwrap()]);
    assert_eq!(policy.schedule.as_ref().unwrap().value.as_str(), "0 2 * * *");
    let retention = &policy.retention.as_ref().unwrap().value;
    assert_eq!((retention.within.unwrap().to_string(), retention.min_count), ("30d".to_owned(), 3));
    insta::assert_debug_snapshot!((&set.stores, &set.sources, &set.policies, &set.run, &set.guard));
}

#[test]
fn manifests_that_are_offered_for_copying_say_nothing() {
    let files: Vec<_> = files_of("policies").into_iter().chain(files_of("tests/integration/manifests/valid")).collect();
    assert!(!files.is_empty());
    for path in files {
        let (loaded, findings) = load(&split(&fs::read_to_string(&path).unwrap()));
        assert!(findings.is_empty(), "{}\n{}", path.display(), drawn(&findings, &loaded));
        assert!(loaded.set.is_some());
    }
}

#[test]
fn what_is_not_said_of_services_is_filled_in() {
    let text = r#"
version = 1
name = "demo"
[store.directory.local]
path = "backups"
[service.container.web]
[service.compose.recorder]
project = "lucid"
depends_on = ["web"]
[service.command.lock]
quiesce = ["lock"]
resume = ["unlock"]
[source.volume.data]
volumes = ["data"]
stop = ["recorder"]
[source.files.config]
paths = ["/etc/lucid/data"]
restore_stop = ["lock"]
[policy.data]
source = "data"
stores = ["local"]
[policy.late]
source = "data"
stores = ["local"]
catch_up_within = "2d"
[policy.config]
source = "config"
stores = ["local"]
"#;
    let (loaded, _) = load(&one("lucid-policy.toml", text));
    let set = loaded.set.as_ref().unwrap();
    let named = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<Name>>();
    assert_eq!(set.services["web"].kind, ServiceKind::Container { container: "web".to_owned() });
    let recorder = &set.services["recorder"];
    assert_eq!(recorder.kind, ServiceKind::Compose { project: "lucid".to_owned(), service: "recorder".to_owned() });
    assert_eq!((recorder.mode, &recorder.ready, recorder.ready_timeout, recorder.stop_timeout), (Mode::Stop, &Ready::Default, 120, None));
    assert_eq!(recorder.depends_on, named(&["web"]));
    let (data, config) = (&set.sources["data"], &set.sources["config"]);
    assert_eq!((&data.stop, &data.restore_stop), (&named(&["recorder"]), &named(&["recorder"])));
    assert_eq!((&config.stop, &config.restore_stop), (&named(&[]), &named(&["lock"])));
    let limit = |policy: &str| set.policies[policy].catch_up_within.map(|period| period.to_string());
    assert_eq!([limit("data"), limit("late"), limit("config")], [Some("1h".to_owned()), Some("2d".to_owned()), None]);
    insta::assert_snapshot!(graph::declared(&loaded).to_text(), @r"
    policy.config
      source       source.config
      captures to  store.local
    policy.data
      source       source.data
      captures to  store.local
    policy.late
      source       source.data
      captures to  store.local
    service.recorder
      depends_on   service.web
    source.config
      restore_stop service.lock
    source.data
      stop         service.recorder
    ");
}

#[test]
fn every_invalid_manifest_gives_its_code_and_its_drawing() {
    let mut differing = Vec::new();
    for path in files_of("tests/integration/manifests/invalid") {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let code: Code = stem.split('_').next().unwrap().parse().unwrap();
        let (loaded, findings) = load(&split(&fs::read_to_string(&path).unwrap()));
        assert!(findings.iter().any(|finding| finding.code == code), "{stem}: no such finding\n{}", drawn(&findings, &loaded));
        let drawing = drawn(&findings, &loaded);
        let expected = path.with_extension("txt");
        if fs::read_to_string(&expected).ok().as_deref() != Some(drawing.as_str()) {
            fs::write(path.with_extension("txt.new"), &drawing).unwrap();
            differing.push(format!("{}\n{drawing}", expected.display()));
        }
    }
    assert!(differing.is_empty(), "drawings differ:\n{}", differing.join("\n"));
}

#[test]
fn every_code_of_manifests_has_an_invalid_manifest() {
    let shown: BTreeSet<String> = files_of("tests/integration/manifests/invalid")
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().split('_').next().unwrap().to_owned())
        .collect();
    let codes = Code::all().filter(|code| code.entry().origin != Origin::World);
    let missing: Vec<_> = codes.filter(|code| !shown.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_finding_for_machines_has_lines_and_bytes_and_no_secret() {
    let text = fs::read_to_string("tests/integration/manifests/invalid/secret-literal.toml").unwrap();
    let (_, findings) = load(&one("lucid-policy.toml", &text));
    let json = to_value(&findings);
    assert!(!json.to_string().contains("hunter2"));
    let span = &json["findings"][0]["labels"][0]["span"];
    assert_eq!((json["format_version"].as_str(), json["errors"].as_u64()), (Some("1.0"), Some(1)));
    assert_eq!((span["line"].as_u64(), span["column"].as_u64()), (Some(24), Some(22)));
    assert_eq!(&text[usize::try_from(span["start"].as_u64().unwrap()).unwrap()..][..9], "\"hunter2\"");
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let generated = manifest::schema();
    let path = "schema/lucid-policy.v1.json";
    if fs::read_to_string(path).ok().as_deref() != Some(generated.as_str()) {
        fs::write(format!("{path}.new"), &generated).unwrap();
        panic!("{path} differs from what the types say: look at {path}.new, then move it");
    }
}

#[test]
fn the_order_of_files_does_not_count() {
    let text = fs::read_to_string("examples/quickstart/lucid-policy.toml").unwrap();
    let (first, second) = text.split_at(text.find("[source.files.config]").unwrap());
    let files = vec![("a.toml".to_owned(), first.to_owned()), ("b.toml".to_owned(), second.to_owned())];
    let turned: Vec<_> = files.iter().rev().cloned().collect();
    let (one, other) = (load(&files).0.set.unwrap(), load(&turned).0.set.unwrap());
    assert_eq!(one, other);
    assert_eq!(one.manifest_sha256.len(), 64);
}

#[test]
fn two_hundred_policies_are_read_in_no_time() {
    let head = "version = 1\nname = \"big\"\n[store.directory.s]\npath = \"/b\"\n[schedule]\nn = { cron = \"0 2 * * *\" }\n[retention]\nm = { keep_within = \"30d\" }\n";
    let source = |n| format!("[source.files.f{n}]\npaths = [\"/srv/{n}\"]\nexclude = [\"*.tmp\"]\n");
    let policy = |n| format!("[policy.p{n}]\nsource = \"f{n}\"\nschedule = \"n\"\nretention = \"m\"\nstores = [\"s\"]\nrpo = \"26h\"\n");
    let text: String = std::iter::once(head.to_owned()).chain((0..200).flat_map(|n| [source(n), policy(n)])).collect();
    let files = one("big.toml", &text);
    let start = Instant::now();
    let (loaded, findings) = load(&files);
    let took = start.elapsed();
    assert_eq!((loaded.set.unwrap().policies.len(), findings.len()), (200, 0));
    // a debug build on a busy machine; release takes a few milliseconds
    assert!(took.as_millis() < 2000, "{took:?}");
}

#[test]
fn all_mistakes_come_out_together_and_none_causes_another() {
    let text = r#"
version = 1
name = "demo"
timezone = "UTC+1"
[guard]
max_delete_fraction = 1
[store.directory.local]
path = 42
min_free = "5"
mont = true
[schedule]
nightly = { cron = "61 2 * * *" }
[retention]
month = { keep_within = "5m", keep_daily = "7" }
[source.files.config]
paths = "data"
[source.command.dump]
command = ["pg_dump"]
env = { PGPASSWORD = "hunter2" }
[policy.config]
source = "config"
schedule = "nightly"
retention = "month"
stores = ["local"]
state = "off"
[policy.dump]
source = "dmup"
schedule = "nightly"
retention = "month"
stores = ["local"]
"#;
    let (loaded, findings) = load(&one("lucid-policy.toml", text));
    let lines: Vec<_> = findings.iter().map(|finding| format!("{} {}", finding.span().unwrap().line, finding.code)).collect();
    assert_eq!(
        lines,
        [
            "4 unknown-zone",
            "8 wrong-type",
            "10 unknown-key",
            "12 bad-cron",
            "14 bad-duration",
            "14 wrong-type",
            "16 wrong-type",
            "19 secret-literal",
            "25 bad-value",
            "27 unknown-source",
        ]
    );
    assert!(loaded.set.is_none() && !format!("{findings:?}").contains("hunter2"));
}

#[test]
fn a_torn_file_calls_nothing_unknown() {
    let whole = "version = 1\nname = \"t\"\n[source.files.f]\npaths = [\"/f\"]\n[policy.p]\nsource = \"f\"\nstores = [\"lost\"]\n";
    let files = vec![("a.toml".to_owned(), whole.to_owned()), ("b.toml".to_owned(), "[store.directory.lost\npath = \"/b\"\n".to_owned())];
    let (_, findings) = load(&files);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["syntax"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_text_makes_reading_panic(cut in 0..1400_usize, length in 0..60_usize, insert in "[\\[\\]{}=\"'.,#a-z0-9é\n-]{0,6}") {
        let mut text = fs::read_to_string("examples/quickstart/lucid-policy.toml").unwrap();
        let (from, to) = (cut.min(text.len()), (cut + length).min(text.len()));
        if text.is_char_boundary(from) && text.is_char_boundary(to) {
            text.replace_range(from..to, &insert);
        }
        let (loaded, findings) = load(&one("lucid-policy.toml", &text));
        prop_assert_eq!(loaded.set.is_none(), loaded.findings.iter().any(Finding::is_error));
        let drawing = drawn(&findings, &loaded);
        prop_assert_eq!(drawing.is_empty(), findings.is_empty());
        for finding in &findings {
            for label in &finding.labels {
                prop_assert!(label.span.end <= text.len() && label.span.line >= 1 && label.span.column >= 1);
            }
        }
    }
}
