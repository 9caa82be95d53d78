//! Sources: what they read, under which labels, and what they must not contain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::id::Name;
use super::places;
use super::read::Resolver;
use super::set::{CommandSource, FilesSource, SecretRef, Source, SourceKind};
use crate::finding::{Finding, manifest as code};
use crate::manifest::tables::{self, FilledText, NameText, Secret};
use crate::manifest::{Entity, SourceTable, StoreTable};

impl Resolver<'_> {
    pub(super) fn sources(&mut self, entities: &[Entity<SourceTable>], stores: &[Entity<StoreTable>]) -> BTreeMap<Name, Source> {
        let mut sources = BTreeMap::new();
        for entity in entities {
            let kind = match &entity.written {
                None => continue,
                Some(SourceTable::Files(table)) => {
                    self.quiet(entity, table.stop.as_ref(), table.restore_stop.as_ref());
                    SourceKind::Files(self.files(entity, table, stores))
                }
                Some(SourceTable::Command(table)) => {
                    self.quiet(entity, table.stop.as_ref(), table.restore_stop.as_ref());
                    SourceKind::Command(self.command(entity, table))
                }
            };
            if let Ok(name) = entity.name.parse::<Name>() {
                sources.entry(name.clone()).or_insert(Source {
                    name,
                    kind,
                    stop: Vec::new(),
                    restore_stop: Vec::new(),
                    span: entity.head(),
                });
            }
        }
        sources
    }

    /// `stop` and `restore_stop` name services, of which there are none.
    fn quiet<T>(&mut self, entity: &Entity<T>, stop: Option<&Vec<NameText>>, restore_stop: Option<&Vec<NameText>>) {
        for (key, names) in [("stop", stop), ("restore_stop", restore_stop)] {
            for (n, name) in names.into_iter().flatten().enumerate() {
                self.findings.push(
                    Finding::new(code::UNKNOWN_SERVICE, format!("no service is called `{}`", name.0))
                        .at(entity.value(&format!("{key}[{n}]")), "not declared")
                        .help("leave the list out: this version cannot declare services"),
                );
            }
        }
    }

    fn files(&mut self, entity: &Entity<SourceTable>, table: &tables::FilesSource, stores: &[Entity<StoreTable>]) -> FilesSource {
        self.not_empty(entity, "paths", table.paths.len());
        let exclude: Vec<String> = table.exclude.iter().flatten().map(|text| text.0.clone()).collect();
        for (n, text) in exclude.iter().enumerate() {
            self.pattern(entity, &format!("exclude[{n}]"), text);
        }
        let mut paths = Vec::new();
        for (n, written) in table.paths.iter().enumerate() {
            let key = format!("paths[{n}]");
            let Some(path) = self.path(entity, &key, written) else { continue };
            if places::is_pattern(&written.0) {
                self.pattern(entity, &key, &written.0);
            }
            self.stores_inside(entity, &key, &path, &exclude, stores);
            paths.push(path);
        }
        let labels = table.labels.as_ref().map(|labels| labels.iter().map(|label| label.0.clone()).collect::<Vec<_>>());
        self.labels(entity, table, labels.as_deref());
        FilesSource { paths, labels, exclude, mount: table.mount.unwrap_or(false), one_file_system: table.one_file_system.unwrap_or(false) }
    }

    fn pattern<T>(&mut self, entity: &Entity<T>, key: &str, text: &str) {
        let reason = match places::pattern(text) {
            _ if text.is_empty() => "it is empty".to_owned(),
            Ok(_) => return,
            Err(error) => error.kind().to_string(),
        };
        self.findings.push(Finding::new(code::BAD_PATTERN, format!("`{text}` is not a pattern")).at(entity.value(key), reason));
    }

    fn stores_inside(&mut self, entity: &Entity<SourceTable>, key: &str, path: &Path, exclude: &[String], stores: &[Entity<StoreTable>]) {
        for store in stores {
            let Some(StoreTable::Directory(table)) = &store.written else { continue };
            let inner = places::join(self.base, &table.path.0);
            let Some(root) = places::reach(path, &inner) else { continue };
            if inner != root && places::is_excluded(exclude, &root, &inner) {
                continue;
            }
            let help = match inner.strip_prefix(&root) {
                Ok(below) if !below.as_os_str().is_empty() => {
                    format!("move the store, or exclude it: `exclude = [\"/{}\"]`", below.display())
                }
                _ => "move the store: it is the source itself".to_owned(),
            };
            self.findings.push(
                Finding::new(code::STORE_INSIDE_SOURCE, format!("the store `{}` is inside of the source `{}`", store.name, entity.name))
                    .at(entity.value(key), "this contains the store")
                    .at(store.value("path"), "the store's folder")
                    .help(help),
            );
        }
    }

    /// One label per path, no two alike.
    fn labels(&mut self, entity: &Entity<SourceTable>, table: &tables::FilesSource, labels: Option<&[String]>) {
        if let Some(labels) = labels.filter(|labels| labels.len() != table.paths.len()) {
            self.findings.push(
                Finding::new(code::BAD_LABELS, format!("`labels` has {}, `paths` has {}", labels.len(), table.paths.len()))
                    .at(entity.value("labels"), "one label for each path")
                    .at(entity.value("paths"), "the paths"),
            );
            return;
        }
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for (n, path) in table.paths.iter().enumerate() {
            let place = if labels.is_some() { format!("labels[{n}]") } else { format!("paths[{n}]") };
            let bad = |why: &str| Finding::new(code::BAD_LABELS, why.to_owned()).at(entity.value(&place), "this one");
            let label = match labels.and_then(|labels| labels.get(n)) {
                Some(_) if places::is_pattern(&path.0) => {
                    self.findings.push(
                        bad("a path with a pattern cannot have a label")
                            .help("leave `labels` out, or write a source of its own for the pattern"),
                    );
                    continue;
                }
                Some(label) if label.is_empty() || label == "." || label == ".." || label.contains(['/', '\0']) => {
                    self.findings.push(bad("a label is one path component"));
                    continue;
                }
                Some(label) => label.clone(),
                None if places::is_pattern(&path.0) => continue,
                None => match places::join(self.base, &path.0).file_name() {
                    Some(last) => last.to_string_lossy().into_owned(),
                    None if path.0.is_empty() => continue,
                    None => {
                        self.findings.push(bad("a path without a last component needs a label").help("set `labels`, one for each path"));
                        continue;
                    }
                },
            };
            if let Some(first) = taken.get(&label) {
                self.findings.push(
                    Finding::new(code::LABEL_COLLISION, format!("two paths of `{}` have the label `{label}`", entity.path))
                        .at(entity.value(&place), "the same label")
                        .at(entity.value(first), "first used here")
                        .help("set `labels`, one for each path, all different"),
                );
            } else {
                taken.insert(label, place);
            }
        }
    }

    fn command(&mut self, entity: &Entity<SourceTable>, table: &tables::CommandSource) -> CommandSource {
        for (key, written) in [("container", &table.container), ("user", &table.user)] {
            if written.is_some() {
                self.findings.push(
                    Finding::new(
                        code::NEEDS_DOCKER,
                        format!("`{}.{key}` needs the Docker runtime, which this version does not have", entity.path),
                    )
                    .at(entity.key(key), "runs a command inside of a container")
                    .help("write the command so that it runs on the host"),
                );
            }
        }
        for (key, argv) in [
            ("command", Some(&table.command)),
            ("check_command", table.check_command.as_ref()),
            ("restore_command", table.restore_command.as_ref()),
        ] {
            let Some(argv) = argv else { continue };
            self.program(entity, key, argv);
        }
        let file = table.file.clone().unwrap_or_else(|| "output".to_owned());
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
        if !(1..=100).contains(&file.len()) || !file.chars().all(good) || file.starts_with(['.', '-']) {
            self.findings.push(
                Finding::new(code::BAD_VALUE, format!("`{}.file` is not a file name", entity.path))
                    .at(entity.value("file"), "letters, digits, `.`, `_` and `-`, at most 100, not starting with `.` or `-`"),
            );
        }
        let mut env = BTreeMap::new();
        for (name, secret) in table.env.iter().flatten() {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.findings.push(
                    Finding::new(code::BAD_VALUE, "not the name of an environment variable")
                        .at(entity.key(&format!("env.{name}")), "this one"),
                );
            }
            if let Some(secret) = self.secret(entity, &format!("env.{name}"), secret) {
                env.insert(name.clone(), secret);
            }
        }
        CommandSource {
            command: table.command.clone(),
            check_command: table.check_command.clone(),
            restore_command: table.restore_command.clone(),
            env,
            file,
            container: None,
            user: None,
        }
    }

    fn program<T>(&mut self, entity: &Entity<T>, key: &str, argv: &[String]) {
        self.not_empty(entity, key, argv.len());
        if argv.first().is_some_and(String::is_empty) {
            self.findings.push(
                Finding::new(code::BAD_VALUE, format!("`{}.{key}` has no program", entity.path))
                    .at(entity.value(&format!("{key}[0]")), "empty"),
            );
        }
    }

    pub(super) fn not_empty<T>(&mut self, entity: &Entity<T>, key: &str, n: usize) {
        if n == 0 {
            self.findings.push(
                Finding::new(code::EMPTY_LIST, format!("`{}.{key}` must not be empty", entity.path)).at(entity.value(key), "nothing in it"),
            );
        }
    }

    fn secret<T>(&mut self, entity: &Entity<T>, key: &str, secret: &Secret) -> Option<SecretRef> {
        let text = |text: &FilledText| text.0.clone();
        let file = |this: &mut Self, sub: &str, text: &FilledText| -> Option<PathBuf> { this.path(entity, &format!("{key}.{sub}"), text) };
        match secret {
            Secret { env: Some(name), file: None, env_file: None, name: None, credential: None, command: None } => {
                Some(SecretRef::Env(text(name)))
            }
            Secret { env: None, file: Some(path), env_file: None, name: None, credential: None, command: None } => {
                file(self, "file", path).map(SecretRef::File)
            }
            Secret { env: None, file: None, env_file: Some(path), name: Some(name), credential: None, command: None } => {
                file(self, "env_file", path).map(|file| SecretRef::EnvFile { file, name: text(name) })
            }
            Secret { env: None, file: None, env_file: None, name: None, credential: Some(name), command: None } => {
                Some(SecretRef::Credential(text(name)))
            }
            Secret { env: None, file: None, env_file: None, name: None, credential: None, command: Some(argv) } => {
                self.program(entity, &format!("{key}.command"), argv);
                Some(SecretRef::Command(argv.clone()))
            }
            _ => {
                self.findings.push(
                    Finding::new(code::SECRET_FORM, format!("`{}.{key}` must have exactly one form", entity.path))
                        .at(entity.value(key), "not one form")
                        .help("write one of `env`, `file`, `env_file` with `name`, `credential`, `command`"),
                );
                None
            }
        }
    }
}
