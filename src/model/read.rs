//! Texts to a policy set and all findings, in one pure call.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::id::Name;
use super::names::Names;
use super::places;
use super::recipients::RecipientList;
use super::set::{Guard, Policy, PolicySet, Run};
use super::stores::Store;
use super::zone::Zone;
use crate::finding::{Code, Finding, Origin, Span, has_errors, manifest as code, nearest, sort};
use crate::manifest::tables::{DurationText, FilledText, Level, SizeText};
use crate::manifest::{Documents, Entity, Noun, Period, QuantityError, load, parse_size};

/// What [`read`] gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The set; `None` if any finding is an error.
    pub set: Option<PolicySet>,
    /// What could be resolved, for lints: tables with a mistake in them are left out. Never act on it.
    pub partial: PolicySet,
    /// No policy, source or service was left out and none lost a key: what `partial` does not use is not used.
    pub complete: bool,
    /// Everything there is to say, sorted by file and place.
    pub findings: Vec<Finding>,
    /// The files as `(path, text)`, for whoever draws the findings.
    pub texts: Vec<(String, String)>,
    /// Levels of lints.
    pub lints: BTreeMap<Code, LintLevel>,
    /// Every list of recipients, as it was written.
    pub recipients: Vec<RecipientList>,
    /// Every name that is declared, readable or not.
    pub declared: BTreeMap<(Noun, String), Span>,
    /// Every reference to a declared name.
    pub needs: Vec<Need>,
}

/// The level of a lint.
#[derive(Debug, Clone, PartialEq)]
pub struct LintLevel {
    /// How loud.
    pub level: Level,
    /// Why.
    pub reason: String,
    /// Where the table is.
    pub span: Span,
}

/// One table names another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// What names: a policy, a source or a service.
    pub from: (Noun, String),
    /// What it names.
    pub to: (Noun, String),
    /// The key it is named under.
    pub key: &'static str,
    /// Where.
    pub span: Span,
}

/// Reads a manifest's files, given as `(path, text)`. `base` is the folder they stand in: relative paths count from it, and it
/// should be absolute.
pub fn read(texts: &[(String, String)], base: &Path) -> Loaded {
    let (documents, findings) = load(texts);
    let mut resolver = Resolver { base, findings, names: Names::default(), needs: Vec::new(), lost: 0, recipients: Vec::new() };
    resolver.names = Names::collect(&documents, &mut resolver.findings);
    let partial = resolver.set(&documents, texts);
    let lints = resolver.lints(&documents);
    let recipients = resolver.recipient_lists(&documents);
    let complete = !documents.torn
        && documents.policies.iter().all(|policy| policy.whole)
        && documents.sources.iter().all(|source| source.whole)
        && documents.services.iter().all(|service| service.whole);
    let Resolver { mut findings, names, needs, .. } = resolver;
    sort(&mut findings);
    let set = (!has_errors(&findings)).then(|| partial.clone());
    Loaded { set, partial, complete, findings, texts: texts.to_vec(), lints, recipients, declared: names.declared, needs }
}

/// The state of one reading.
pub(super) struct Resolver<'a> {
    pub(super) base: &'a Path,
    pub(super) findings: Vec<Finding>,
    pub(super) names: Names,
    pub(super) needs: Vec<Need>,
    /// References that could not be resolved, whether or not that is worth a finding.
    pub(super) lost: usize,
    /// What `[encryption]` says.
    pub(super) recipients: Vec<String>,
}

impl Resolver<'_> {
    fn set(&mut self, documents: &Documents, texts: &[(String, String)]) -> PolicySet {
        let instance = self.root(documents);
        let zone = self.zone(documents);
        self.recipients = documents.encryption.iter().filter_map(|e| e.written.as_ref()?.recipients.clone()).flatten().collect();
        let run = self.run(documents);
        let guard = self.guard(documents);
        let stores = self.stores(&documents.stores);
        let sources = self.sources(&documents.sources, &documents.stores);
        let services = self.services(&documents.services);
        let schedules = self.schedules(&documents.schedules);
        let retentions = self.retentions(&documents.retentions);
        let policies = self.policies(&documents.policies, &sources, &schedules, &retentions);
        self.encryption_required(&stores, &policies);
        let mut files = texts.to_vec();
        files.sort();
        let recipients = std::mem::take(&mut self.recipients);
        PolicySet { instance, zone, stores, sources, services, recipients, policies, run, guard, manifest_sha256: digest(&files), files }
    }

    /// `version` and `name`.
    fn root(&mut self, documents: &Documents) -> Name {
        let start = documents.pages.first().map(|page| page.lines.span(0..0));
        let missing = |key: &str, help: &str| {
            let finding = Finding::new(code::MISSING_KEY, format!("the manifest has no `{key}`"));
            (!documents.torn).then(|| finding.maybe_at(start.clone(), format!("`{key}` is missing")).help(help))
        };
        match &documents.version {
            None => self.findings.extend(missing("version", "write `version = 1` at the top of one file")),
            Some(entity) => {
                if let Some(version) = entity.written.filter(|version| *version != 1) {
                    self.findings.push(
                        Finding::new(code::UNSUPPORTED_VERSION, format!("version {version} of the manifest's language is not known"))
                            .at(entity.whole_value(), "this program reads version 1"),
                    );
                }
            }
        }
        let fallback = || Name::try_from("unnamed".to_owned());
        let name = match &documents.name {
            None => {
                self.findings
                    .extend(missing("name", "write `name = \"...\"` at the top of one file: it is the first part of every key in a store"));
                fallback()
            }
            Some(entity) => {
                let read = entity.written.as_deref().map_or_else(fallback, str::parse);
                if let Err(error) = &read {
                    self.findings.push(Finding::new(code::BAD_NAME, format!("{error}")).at(entity.whole_value(), "rename this"));
                }
                read.or_else(|_| fallback())
            }
        };
        #[expect(clippy::expect_used, reason = "the fallback is a literal")]
        name.expect("`unnamed` is a name")
    }

    fn zone(&mut self, documents: &Documents) -> Zone {
        let Some(entity) = &documents.timezone else { return Zone::UTC };
        let Some(text) = &entity.written else { return Zone::UTC };
        text.parse().unwrap_or_else(|error: super::zone::ZoneError| {
            let at = entity.whole_value();
            let finding = Finding::new(code::UNKNOWN_ZONE, error.to_string());
            self.findings.push(match error.near {
                Some(near) => finding
                    .at(at.clone(), format!("did you mean `{near}`?"))
                    .help(format!("write `{near}`"))
                    .edit(at, format!("\"{near}\"")),
                None => finding.at(at, "not an IANA name").help("write a name such as \"Etc/UTC\" or \"Europe/Berlin\""),
            });
            Zone::UTC
        })
    }

    /// A policy whose artifacts nobody has to decrypt, and a store that refuses them.
    fn encryption_required(&mut self, stores: &BTreeMap<Name, Store>, policies: &BTreeMap<Name, Policy>) {
        for policy in policies.values().filter(|policy| policy.recipients.is_empty()) {
            for store in policy.stores.iter().filter_map(|name| stores.get(name)).filter(|store| store.require_encryption) {
                self.findings.push(
                    Finding::new(
                        code::ENCRYPTION_REQUIRED,
                        format!("policy `{}` is not encrypted, and store `{}` refuses that", policy.name, store.name),
                    )
                    .maybe_at(policy.store_span(&store.name).cloned(), "this store has `require_encryption`")
                    .help("write `[encryption]` with `recipients`, or take the store out of the policy"),
                );
            }
        }
    }

    fn run(&mut self, documents: &Documents) -> Run {
        let mut run = Run::default();
        for entity in &documents.run {
            let Some(table) = &entity.written else { continue };
            if let Some(n) = self.within(entity, "threads", table.threads, 1..=1024) {
                run.threads = usize::try_from(n).ok();
            }
            if let Some(n) = self.within(entity, "nice", table.nice, 0..=19) {
                run.nice = i32::try_from(n).ok();
            }
            if let Some(n) = self.within(entity, "concurrency", table.concurrency, 1..=256) {
                run.concurrency = usize::try_from(n).unwrap_or(run.concurrency);
            }
        }
        run
    }

    fn guard(&mut self, documents: &Documents) -> Guard {
        let mut guard = Guard::default();
        for entity in &documents.guard {
            let Some(fraction) = entity.written.as_ref().and_then(|table| table.max_delete_fraction) else { continue };
            let at = entity.value("max_delete_fraction");
            if fraction > 0.0 && fraction <= 1.0 {
                guard = Guard { max_delete_fraction: fraction, span: Some(at) };
            } else {
                self.findings.push(
                    Finding::new(code::OUT_OF_RANGE, "`guard.max_delete_fraction` must be above 0 and at most 1").at(at, "out of range"),
                );
            }
        }
        guard
    }

    fn lints(&mut self, documents: &Documents) -> BTreeMap<Code, LintLevel> {
        let known: Vec<Code> = Code::all().filter(|code| code.entry().origin == Origin::Lint).collect();
        let mut levels = BTreeMap::new();
        for entity in &documents.lints {
            let Some(code) = known.iter().find(|code| code.as_str() == entity.name) else {
                let at = entity.head();
                let finding = Finding::new(code::UNKNOWN_LINT, format!("no lint has the code `{}`", entity.name));
                self.findings.push(match nearest(&entity.name, known.iter().map(|code| code.as_str())) {
                    _ if entity.name.parse::<Code>().is_ok() => finding.at(at, "this is a code, but not of a lint: it has no level"),
                    Some(near) => finding.at(at.clone(), format!("did you mean `{near}`?")).help(format!("write `{near}`")).edit(at, near),
                    None => finding.at(at, "not known").help("`explain` lists all codes"),
                });
                continue;
            };
            if let Some(table) = &entity.written {
                levels.insert(*code, LintLevel { level: table.level, reason: table.reason.0.clone(), span: entity.head() });
                self.filled(entity, "reason", &table.reason);
            }
        }
        levels
    }

    /// A whole number inside of its range.
    pub(super) fn within<T>(&mut self, entity: &Entity<T>, key: &str, written: Option<i64>, range: RangeInclusive<i64>) -> Option<i64> {
        let number = written?;
        if range.contains(&number) {
            return Some(number);
        }
        let (low, high) = range.into_inner();
        let finding = Finding::new(code::OUT_OF_RANGE, format!("`{}.{key}` must be {low} to {high}", entity.path))
            .at(entity.value(key), "out of range");
        let rule = key.starts_with("keep_") && number == 0;
        self.findings.push(if rule { finding.help(format!("leave `{key}` out to have no such rule")) } else { finding });
        None
    }

    pub(super) fn period<T>(&mut self, entity: &Entity<T>, key: &str, written: Option<&DurationText>) -> Option<Period> {
        let read = written?.0.parse();
        self.quantity(entity, key, code::BAD_DURATION, read)
    }

    pub(super) fn size<T>(&mut self, entity: &Entity<T>, key: &str, written: Option<&SizeText>) -> Option<u64> {
        let read = parse_size(&written?.0);
        self.quantity(entity, key, code::BAD_SIZE, read)
    }

    fn quantity<T, Q>(&mut self, entity: &Entity<T>, key: &str, code: Code, read: Result<Q, QuantityError>) -> Option<Q> {
        read.map_err(|error| {
            let message = format!("`{}` is not a {}", error.text, error.noun);
            self.findings.push(Finding::new(code, message).at(entity.value(key), error.reason).help(error.help));
        })
        .ok()
    }

    /// A path from the manifest's folder.
    pub(super) fn path<T>(&mut self, entity: &Entity<T>, key: &str, written: &FilledText) -> Option<PathBuf> {
        let text = written.0.as_str();
        let reason = if text.is_empty() {
            "a path must not be empty"
        } else if text.contains('\0') {
            "a path cannot contain a NUL"
        } else if text == "~" || text.starts_with("~/") {
            "`~` is not expanded: write the whole path"
        } else {
            return Some(places::join(self.base, text));
        };
        self.findings.push(Finding::new(code::BAD_PATH, format!("`{}.{key}` is not a path", entity.path)).at(entity.value(key), reason));
        None
    }

    pub(super) fn filled<T>(&mut self, entity: &Entity<T>, key: &str, written: &FilledText) -> Option<String> {
        if written.0.trim().is_empty() {
            self.findings
                .push(Finding::new(code::BAD_VALUE, format!("`{}.{key}` must not be empty", entity.path)).at(entity.value(key), "empty"));
            return None;
        }
        Some(written.0.clone())
    }
}

/// Lengths stand before names and texts, so that no two manifests run together to one digest. Of paths only the file's name counts:
/// the same manifest has the same digest from wherever it is read.
fn digest(files: &[(String, String)]) -> String {
    let mut files: Vec<_> =
        files.iter().map(|(path, text)| (Path::new(path).file_name().unwrap_or_default().as_encoded_bytes(), text)).collect();
    files.sort();
    let mut hash = Sha256::new();
    for (name, text) in files {
        for part in [name, text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    let hex = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    hash.finalize().iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect()
}
