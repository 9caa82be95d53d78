//! The table of rules, and what levels do to their findings.

use std::collections::BTreeSet;

use super::{
    max_downtime_without_stop, min_count_one, no_retention, no_schedule, readable_offsite, retention_shorter_than_schedule,
    rpo_shorter_than_schedule, rpo_without_schedule, single_recipient, single_store, unused,
};
use crate::finding::{Code, Finding, Severity, lint as code, sort};
use crate::model::{Level, Loaded};

/// One rule: its code, and what finds it.
#[derive(Clone, Copy)]
pub struct Rule {
    /// What its findings are called.
    pub code: Code,
    /// Everything it has to say about a manifest.
    pub check: fn(&Loaded) -> Vec<Finding>,
}

/// Every rule but `unused-allow`, which looks at the others' findings.
pub fn rules() -> [Rule; 15] {
    [
        Rule { code: code::NO_RETENTION, check: no_retention::check },
        Rule { code: code::NO_SCHEDULE, check: no_schedule::check },
        Rule { code: code::SINGLE_STORE, check: single_store::check },
        Rule { code: code::RPO_SHORTER_THAN_SCHEDULE, check: rpo_shorter_than_schedule::check },
        Rule { code: code::RPO_WITHOUT_SCHEDULE, check: rpo_without_schedule::check },
        Rule { code: code::RETENTION_SHORTER_THAN_SCHEDULE, check: retention_shorter_than_schedule::check },
        Rule { code: code::MIN_COUNT_ONE, check: min_count_one::check },
        Rule { code: code::MAX_DOWNTIME_WITHOUT_STOP, check: max_downtime_without_stop::check },
        Rule { code: code::SINGLE_RECIPIENT, check: single_recipient::check },
        Rule { code: code::READABLE_OFFSITE, check: readable_offsite::check },
        Rule { code: code::UNUSED_STORE, check: unused::stores },
        Rule { code: code::UNUSED_SOURCE, check: unused::sources },
        Rule { code: code::UNUSED_SERVICE, check: unused::services },
        Rule { code: code::UNUSED_SCHEDULE, check: unused::schedules },
        Rule { code: code::UNUSED_RETENTION, check: unused::retentions },
    ]
}

/// All lints of a manifest, at the levels it sets.
pub fn judge(loaded: &Loaded) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut silenced = BTreeSet::new();
    for rule in rules() {
        let level = loaded.lints.get(&rule.code).map(|level| level.level);
        if level.is_none() && rule.code.entry().severity.is_none() {
            continue;
        }
        for mut finding in (rule.check)(loaded) {
            match level {
                Some(Level::Allow) => {
                    silenced.insert(rule.code);
                    continue;
                }
                Some(Level::Deny) => finding.severity = Severity::Error,
                Some(Level::Warn) | None => {}
            }
            found.push(finding);
        }
    }
    if loaded.complete {
        found.extend(unused_allows(loaded, &silenced));
    }
    sort(&mut found);
    found
}

fn unused_allows(loaded: &Loaded, silenced: &BTreeSet<Code>) -> Vec<Finding> {
    let own = loaded.lints.get(&code::UNUSED_ALLOW).map(|level| level.level);
    if own == Some(Level::Allow) {
        return Vec::new();
    }
    let idle = loaded.lints.iter().filter(|(code, level)| level.level == Level::Allow && !silenced.contains(*code));
    idle.map(|(lint, level)| {
        let mut finding = Finding::new(code::UNUSED_ALLOW, format!("`{lint}` is allowed but would say nothing"))
            .at(level.span.clone(), "allows nothing")
            .help("remove the table");
        if own == Some(Level::Deny) {
            finding.severity = Severity::Error;
        }
        finding
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::finding::Origin;
    use crate::model::read;

    const MANIFEST: &str = r#"
version = 1
name = "t"
[store.directory.s]
path = "/b"
[source.files.f]
paths = ["/f"]
[policy.p]
source = "f"
stores = ["s"]
"#;

    fn judged(more: &str) -> Vec<(String, Severity)> {
        let loaded = read(&[("m.toml".to_owned(), format!("{MANIFEST}{more}"))], Path::new("/etc"));
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        judge(&loaded).into_iter().map(|finding| (finding.code.to_string(), finding.severity)).collect()
    }

    #[test]
    fn every_lint_code_has_a_rule() {
        let codes: Vec<_> = Code::all().filter(|c| c.entry().origin == Origin::Lint && *c != code::UNUSED_ALLOW).collect();
        assert_eq!(rules().map(|rule| rule.code).to_vec(), codes);
    }

    #[test]
    fn levels_raise_silence_and_switch_on() {
        let pair = |code: &str, severity| (code.to_owned(), severity);
        let quiet = "[lint.no-schedule]\nlevel = \"allow\"\nreason = \"r\"\n";
        assert_eq!(judged(""), [pair("no-retention", Severity::Warning), pair("no-schedule", Severity::Warning)]);
        assert_eq!(
            judged(&format!("{quiet}[lint.no-retention]\nlevel = \"deny\"\nreason = \"r\"\n")),
            [pair("no-retention", Severity::Error)]
        );
        assert_eq!(
            judged(&format!(
                "{quiet}[lint.single-store]\nlevel = \"warn\"\nreason = \"r\"\n[lint.unused-store]\nlevel = \"allow\"\nreason = \"r\"\n"
            )),
            [pair("no-retention", Severity::Warning), pair("single-store", Severity::Warning), pair("unused-allow", Severity::Warning)]
        );
    }
}
