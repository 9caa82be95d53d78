//! Texts to documents and findings: the phases syntax and shape.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Documents, Entity, Noun, Page, Place, ServiceTable, SourceTable, StoreTable};
use super::table::{fields_of, list, shape, unknown_key};
use super::tables;
use crate::finding::{Finding, Lines, Span, manifest as code};

/// Syntax errors shown per file: the rest follow from these.
const SYNTAX_ERRORS: usize = 2;
/// Tables of the language that come with later versions.
const LATER_NOUNS: [&str; 3] = ["set", "include", "hosts"];
const LATER_KINDS: [&str; 5] = ["mongodb", "redis", "elasticsearch", "docker", "swarm"];

/// Reads files, given as `(path, text)`. Never fails: what is wrong is a finding, and what could be read is in the documents.
pub fn load(texts: &[(String, String)]) -> (Documents, Vec<Finding>) {
    let mut loader = Loader::default();
    for (path, text) in texts {
        loader.file(path, text);
    }
    (loader.documents, loader.findings)
}

#[derive(Default)]
struct Loader {
    documents: Documents,
    findings: Vec<Finding>,
    /// Settings that may stand once in all files.
    stated: HashMap<String, Span>,
}

type Table<'i> = Spanned<DeTable<'i>>;

impl Loader {
    fn file(&mut self, path: &str, text: &str) {
        let (root, mut errors) = DeTable::parse_recoverable(text);
        let lines = Lines::new(path, text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        for error in errors.iter().take(SYNTAX_ERRORS) {
            let span = lines.span(error.span().unwrap_or(0..0));
            self.findings.push(Finding::new(code::SYNTAX, "this is not TOML").at(span, error.message().trim_end_matches('.')));
        }
        let mut places = HashMap::new();
        let mut modern = Vec::new();
        index("", root.get_ref(), text, &mut places, &mut modern);
        let torn = !errors.is_empty();
        if !torn {
            self.findings.extend(modern.into_iter().map(|at| {
                Finding::new(code::TOML_1_1, "an inline table over several lines, or with a comma at its end, is TOML 1.1")
                    .at(lines.span(at..at + 1), "editors and formatters refuse this")
                    .help("write it on one line, or as a `[table]` of its own")
            }));
        }
        let page = Arc::new(Page { lines, places });
        self.documents.pages.push(Arc::clone(&page));
        self.documents.torn |= torn;
        let said = self.findings.len();
        for (key, value) in root.get_ref() {
            self.root(&page, key.get_ref(), key, value, torn);
        }
        if torn {
            // what was recovered is good enough for names, not for judgement
            self.findings.truncate(said);
        }
    }

    fn root(&mut self, page: &Arc<Page>, name: &str, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>, torn: bool) {
        match name {
            "version" => {
                let found = self.setting(page, name, value, |v| v.as_integer().and_then(|digits| digits.as_str().parse().ok()));
                self.documents.version = found.or(self.documents.version.take());
            }
            "name" => {
                let found = self.setting(page, name, value, |v| v.as_str().map(str::to_owned));
                self.documents.name = found.or(self.documents.name.take());
            }
            "timezone" => {
                let found = self.setting(page, name, value, |v| v.as_str().map(str::to_owned));
                self.documents.timezone = found.or(self.documents.timezone.take());
            }
            _ if LATER_NOUNS.contains(&name) => {
                self.findings.push(
                    Finding::new(code::NOT_IN_THIS_VERSION, format!("`{name}` is not in this version"))
                        .at(page.lines.span(key.span()), "not known yet")
                        .help("remove it: nothing would act on it"),
                );
            }
            "store" | "source" | "service" | "schedule" | "retention" | "policy" | "lint" | "run" | "guard" | "encryption" => {
                let Some(table) = self.table(page, name, value) else { return };
                self.noun(page, name, &table, torn);
            }
            _ => self.findings.push(unknown_key(page, "", name, key.span(), fields_of::<tables::Manifest>())),
        }
    }

    fn noun(&mut self, page: &Arc<Page>, name: &str, table: &Table<'_>, torn: bool) {
        match name {
            "store" => {
                let kinds: [Kind<StoreTable>; 2] = [("directory", |c| c.read(StoreTable::Directory)), ("s3", |c| c.read(StoreTable::S3))];
                let found = self.kinds(page, Noun::Store, table, &kinds, torn);
                self.documents.stores.extend(found);
            }
            "source" => {
                let kinds: [Kind<SourceTable>; 4] = [
                    ("files", |c| c.read(SourceTable::Files)),
                    ("volume", |c| c.read(SourceTable::Volume)),
                    ("command", |c| c.read(SourceTable::Command)),
                    ("mongodb", |c| c.read(SourceTable::Mongodb)),
                ];
                let found = self.kinds(page, Noun::Source, table, &kinds, torn);
                self.documents.sources.extend(found);
            }
            "service" => {
                let kinds: [Kind<ServiceTable>; 3] = [
                    ("container", |c| c.read(ServiceTable::Container)),
                    ("compose", |c| c.read(ServiceTable::Compose)),
                    ("command", |c| c.read(ServiceTable::Command)),
                ];
                let found = self.kinds(page, Noun::Service, table, &kinds, torn);
                self.documents.services.extend(found);
            }
            "schedule" => {
                let found = self.named(page, name, table, torn, |c| c.read(|t| t));
                self.documents.schedules.extend(found);
            }
            "retention" => {
                let found = self.named(page, name, table, torn, |c| c.read(|t| t));
                self.documents.retentions.extend(found);
            }
            "policy" => {
                let found = self.named(page, name, table, torn, |c| c.read(|t| t));
                self.documents.policies.extend(found);
            }
            "lint" => {
                let found = self.named(page, name, table, torn, |c| c.read(|t| t));
                self.documents.lints.extend(found);
            }
            "run" => {
                let found = self.settings(page, name, table, torn);
                self.documents.run.push(found);
            }
            "guard" => {
                let found = self.settings(page, name, table, torn);
                self.documents.guard.push(found);
            }
            _ => {
                let found = self.settings(page, name, table, torn);
                self.documents.encryption.push(found);
            }
        }
    }

    /// A value that has to be a table.
    fn table<'i>(&mut self, page: &Page, path: &str, value: &Spanned<DeValue<'i>>) -> Option<Table<'i>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Spanned::new(value.span(), table.clone()));
        }
        let kind = value.get_ref().type_str();
        self.findings.push(
            Finding::new(code::WRONG_TYPE, format!("`{path}` must be a table"))
                .at(page.lines.span(value.span()), format!("this is of type {kind}")),
        );
        None
    }

    /// Whether this is the first statement of a setting; else a finding.
    fn first(&mut self, path: &str, span: Span) -> bool {
        match self.stated.entry(path.to_owned()) {
            Slot::Vacant(slot) => {
                slot.insert(span);
                true
            }
            Slot::Occupied(slot) => {
                self.findings.push(
                    Finding::new(code::STATED_TWICE, format!("`{path}` is stated twice"))
                        .at(span, "stated again here")
                        .at(slot.get().clone(), "first stated here")
                        .help("remove one of them: nothing overrides anything"),
                );
                false
            }
        }
    }

    /// One value of the root, stated once.
    fn setting<'v, 'i, T>(
        &mut self,
        page: &Arc<Page>,
        name: &str,
        value: &'v Spanned<DeValue<'i>>,
        read: impl Fn(&'v DeValue<'i>) -> Option<T>,
    ) -> Option<Entity<T>> {
        if !self.first(name, page.lines.span(value.span())) {
            return None;
        }
        let written = read(value.get_ref());
        if written.is_none() {
            let wanted = if name == "version" { "a whole number" } else { "a text" };
            self.findings.push(
                Finding::new(code::WRONG_TYPE, format!("`{name}` must be {wanted}"))
                    .at(page.lines.span(value.span()), format!("this is of type {}", value.get_ref().type_str())),
            );
        }
        Some(Entity { name: name.to_owned(), path: name.to_owned(), page: Arc::clone(page), whole: written.is_some(), written })
    }

    /// A table of settings, each stated once in all files.
    fn settings<T: for<'de> Deserialize<'de>>(&mut self, page: &Arc<Page>, name: &str, table: &Table<'_>, torn: bool) -> Entity<T> {
        for (key, _) in table.get_ref() {
            self.first(&format!("{name}.{}", key.get_ref()), page.lines.span(key.span()));
        }
        self.entity(page, name.to_owned(), name, table, torn, |c| c.read(|t| t))
    }

    fn entity<T>(
        &mut self,
        page: &Arc<Page>,
        path: String,
        name: &str,
        table: &Table<'_>,
        torn: bool,
        read: fn(&mut Cell<'_, '_>) -> (Option<T>, bool),
    ) -> Entity<T> {
        let (written, whole) =
            if torn { (None, false) } else { read(&mut Cell { page, path: &path, table, findings: &mut self.findings }) };
        Entity { name: name.to_owned(), path, page: Arc::clone(page), written, whole }
    }

    /// `[noun.NAME]`
    fn named<T>(
        &mut self,
        page: &Arc<Page>,
        noun: &str,
        table: &Table<'_>,
        torn: bool,
        read: fn(&mut Cell<'_, '_>) -> (Option<T>, bool),
    ) -> Vec<Entity<T>> {
        let mut found = Vec::new();
        for (key, value) in table.get_ref() {
            let path = format!("{noun}.{}", key.get_ref());
            if let DeValue::Table(inner) = value.get_ref() {
                let inner = Spanned::new(value.span(), inner.clone());
                found.push(self.entity(page, path, key.get_ref(), &inner, torn, read));
            } else {
                self.findings.push(not_a_table(page, noun, key.get_ref(), value));
                found.push(Entity { name: key.get_ref().to_string(), path, page: Arc::clone(page), written: None, whole: false });
            }
        }
        found
    }

    /// `[noun.KIND.NAME]`
    fn kinds<T>(&mut self, page: &Arc<Page>, noun: Noun, table: &Table<'_>, kinds: &[Kind<T>], torn: bool) -> Vec<Entity<T>> {
        let mut found = Vec::new();
        for (key, value) in table.get_ref() {
            let kind = key.get_ref().as_ref();
            let path = format!("{noun}.{kind}");
            let known = kinds.iter().find(|(word, _)| *word == kind);
            let Some(inner) = self.table(page, &path, value) else { continue };
            if let Some((_, read)) = known {
                found.extend(self.named(page, &path, &inner, torn, *read));
                continue;
            }
            let words = match kinds {
                [(word, _)] => format!("the only kind is `{word}`"),
                _ => format!("the kinds are {}", list(kinds.iter().map(|(word, _)| *word))),
            };
            let nameless = inner.get_ref().iter().any(|(_, v)| !v.get_ref().is_table()) || inner.get_ref().is_empty();
            let span = page.lines.span(key.span());
            let example = kinds.first().map_or("KIND", |(word, _)| word);
            let lost =
                |name: &str, path: String| Entity { name: name.to_owned(), path, page: Arc::clone(page), written: None, whole: false };
            self.findings.push(if nameless && !LATER_KINDS.contains(&kind) {
                found.push(lost(kind, path));
                Finding::new(code::UNKNOWN_KIND, format!("`{noun}.{kind}` has a name but no kind"))
                    .at(span, "the kind belongs before the name")
                    .help(format!("write `[{noun}.{example}.{kind}]`; {words}"))
            } else {
                found.extend(inner.get_ref().iter().map(|(name, _)| lost(name.get_ref(), format!("{path}.{}", name.get_ref()))));
                let finding = if LATER_KINDS.contains(&kind) {
                    Finding::new(code::UNKNOWN_KIND, format!("{noun}s of kind `{kind}` are not in this version"))
                        .at(span, "not in this version")
                } else {
                    Finding::new(code::UNKNOWN_KIND, format!("no kind of {noun} is called `{kind}`")).at(span, "not known")
                };
                finding.help(words)
            });
        }
        found
    }
}

/// A kind's word, and how its tables are read.
type Kind<T> = (&'static str, fn(&mut Cell<'_, '_>) -> (Option<T>, bool));

/// One table about to be read.
struct Cell<'a, 'i> {
    page: &'a Page,
    path: &'a str,
    table: &'a Table<'i>,
    findings: &'a mut Vec<Finding>,
}

impl Cell<'_, '_> {
    fn read<R: for<'de> Deserialize<'de>, T>(&mut self, wrap: impl Fn(R) -> T) -> (Option<T>, bool) {
        let shaped = shape::<R>(self.page, self.path, self.table, self.findings);
        (shaped.value.map(wrap), shaped.whole)
    }
}

fn not_a_table(page: &Page, noun: &str, key: &str, value: &Spanned<DeValue<'_>>) -> Finding {
    let finding = Finding::new(code::WRONG_TYPE, format!("`{noun}.{key}` must be a table"))
        .at(page.lines.span(value.span()), format!("this is of type {}", value.get_ref().type_str()));
    match (noun, value.get_ref().is_str()) {
        ("schedule", true) => finding.help(format!("write `{key} = {{ cron = \"...\" }}`")),
        ("schedule" | "retention", _) => finding.help(format!("write `{key} = {{ ... }}`")),
        ("lint", _) => finding.help(format!("write `[lint.{key}]` with `level` and `reason`")),
        _ => finding.help(format!("a name belongs here: write `[{noun}.NAME]` above this line")),
    }
}

/// Notes where every key and value stands, and where an inline table is written as only TOML 1.1 allows.
fn index(path: &str, table: &DeTable<'_>, text: &str, places: &mut HashMap<String, Place>, modern: &mut Vec<usize>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        visit(&path, value, text, places, modern);
        places.insert(path, (key.span(), value.span()));
    }
}

fn visit(path: &str, value: &Spanned<DeValue<'_>>, text: &str, places: &mut HashMap<String, Place>, modern: &mut Vec<usize>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            if is_modern(table, value.span(), text) {
                modern.push(value.span().start);
            }
            index(path, table, text, places, modern);
        }
        DeValue::Array(array) => {
            for (n, element) in array.iter().enumerate() {
                let path = format!("{path}[{n}]");
                visit(&path, element, text, places, modern);
                places.insert(path, (element.span(), element.span()));
            }
        }
        _ => {}
    }
}

/// Whether an inline table has a line end between its values, or a comma after the last.
fn is_modern(table: &DeTable<'_>, at: std::ops::Range<usize>, text: &str) -> bool {
    let Some(written) = text.get(at.clone()).filter(|written| written.starts_with('{')) else { return false };
    let mut from = at.start;
    for (key, value) in table {
        if text.get(from..key.span().start).is_some_and(|gap| gap.contains('\n')) {
            return true;
        }
        from = from.max(value.span().end);
    }
    let end = text.get(from..at.end).unwrap_or_default();
    end.contains('\n') || written.trim_end_matches('}').trim_end().ends_with(',')
}
