//! Sources: what they read, under which labels, and what they must not contain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::id::Name;
use super::places;
use super::read::Resolver;
use super::set::{CommandSource, FilesSource, SecretRef, Source, SourceKind, VolumeSource};
use crate::finding::{Finding, manifest as code};
use crate::manifest::tables::{self, Access, FilledText, Secret, VolumeText};
use crate::manifest::{Entity, Noun, SourceTable, StoreTable};

impl Resolver<'_> {
    pub(super) fn sources(&mut self, entities: &[Entity<SourceTable>], stores: &[Entity<StoreTable>]) -> BTreeMap<Name, Source> {
        let mut sources = BTreeMap::new();
        for entity in entities {
            let (kind, stop, restore_stop) = match &entity.written {
                None => continue,
                Some(SourceTable::Files(table)) => (SourceKind::Files(self.files(entity, table, stores)), &table.stop, &table.restore_stop),
                Some(SourceTable::Volume(table)) => (SourceKind::Volume(self.volume(entity, table)), &table.stop, &table.restore_stop),
                Some(SourceTable::Mongodb(table)) => (SourceKind::Mongodb(self.mongodb(entity, table)), &table.stop, &table.restore_stop),
                Some(SourceTable::Command(table)) => (SourceKind::Command(self.command(entity, table)), &table.stop, &table.restore_stop),
            };
            let stop = self.services_named(Noun::Source, entity, "stop", stop.as_ref());
            let restore_stop = match restore_stop {
                None => stop.clone(),
                written => self.services_named(Noun::Source, entity, "restore_stop", written.as_ref()),
            };
            if let Ok(name) = entity.name.parse::<Name>() {
                let span = entity.head();
                sources.entry(name.clone()).or_insert(Source { name, kind, stop, restore_stop, span });
            }
        }
        sources
    }

    fn files(&mut self, entity: &Entity<SourceTable>, table: &tables::FilesSource, stores: &[Entity<StoreTable>]) -> FilesSource {
        self.not_empty(entity, "paths", table.paths.len());
        let exclude = self.exclude(entity, table.exclude.as_ref());
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

    fn volume(&mut self, entity: &Entity<SourceTable>, table: &tables::VolumeSource) -> VolumeSource {
        self.not_empty(entity, "volumes", table.volumes.len());
        let mut volumes: Vec<String> = Vec::new();
        for (n, VolumeText(text)) in table.volumes.iter().enumerate() {
            let at = entity.value(&format!("volumes[{n}]"));
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
            if text.is_empty() || text == "." || text == ".." || !text.chars().all(good) {
                self.findings.push(
                    Finding::new(code::BAD_VALUE, format!("`{text}` is not the name of a volume"))
                        .at(at, "letters, digits, `.`, `_` and `-`")
                        .help("a folder of this host is a source of kind `files`"),
                );
            } else if let Some(first) = volumes.iter().position(|other| other == text) {
                self.findings.push(
                    Finding::new(code::LABEL_COLLISION, format!("`{}.volumes` names `{text}` twice", entity.path))
                        .at(at, "named again here")
                        .at(entity.value(&format!("volumes[{first}]")), "first named here")
                        .help("remove one of them"),
                );
            }
            volumes.push(text.clone());
        }
        let exclude = self.exclude(entity, table.exclude.as_ref());
        let project = table.project.as_ref().and_then(|text| self.filled(entity, "project", text));
        VolumeSource { volumes, project, exclude, api: table.access == Some(Access::Api) }
    }

    fn exclude<T>(&mut self, entity: &Entity<T>, written: Option<&Vec<FilledText>>) -> Vec<String> {
        let exclude: Vec<String> = written.into_iter().flatten().map(|text| text.0.clone()).collect();
        for (n, text) in exclude.iter().enumerate() {
            self.pattern(entity, &format!("exclude[{n}]"), text);
        }
        exclude
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
        let (container, user) = self.inside(entity, table.container.as_ref(), table.user.as_ref());
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
            container,
            user,
        }
    }

    pub(super) fn program<T>(&mut self, entity: &Entity<T>, key: &str, argv: &[String]) {
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

    pub(super) fn secret<T>(&mut self, entity: &Entity<T>, key: &str, secret: &Secret) -> Option<SecretRef> {
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
