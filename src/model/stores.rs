//! Stores: paths and limits, and that no two share a folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::id::Name;
use super::read::Resolver;
use super::set::{Store, StoreKind};
use crate::finding::{Finding, manifest as code};
use crate::manifest::tables::Coordination;
use crate::manifest::{Entity, StoreTable};

/// Bytes of a segment unless set: 16 GiB.
const SEGMENT_SIZE: u64 = 16 << 30;
/// The smallest segment: below it a payload would fall into a crowd of objects.
const SMALLEST_SEGMENT: u64 = 1 << 20;

impl Resolver<'_> {
    pub(super) fn stores(&mut self, entities: &[Entity<StoreTable>]) -> BTreeMap<Name, Store> {
        let mut stores = BTreeMap::new();
        let mut placed: Vec<(PathBuf, &Entity<StoreTable>)> = Vec::new();
        for entity in entities {
            let Some(StoreTable::Directory(table)) = &entity.written else { continue };
            if table.require_encryption == Some(true) {
                self.no_encryption(entity, "require_encryption");
            }
            let path = self.path(entity, "path", &table.path);
            let min_free = self.size(entity, "min_free", table.min_free.as_ref());
            let segment_size = self.size(entity, "segment_size", table.segment_size.as_ref());
            if segment_size.is_some_and(|size| size < SMALLEST_SEGMENT) {
                self.findings.push(
                    Finding::new(code::OUT_OF_RANGE, format!("`{}.segment_size` must be at least 1MiB", entity.path))
                        .at(entity.value("segment_size"), "too small"),
                );
            }
            let (Ok(name), Some(path)) = (entity.name.parse::<Name>(), path) else { continue };
            for (other, first) in &placed {
                if path.starts_with(other) || other.starts_with(&path) {
                    let how = if path == *other { "the same folder" } else { "folders inside each other" };
                    self.findings.push(
                        Finding::new(code::STORES_OVERLAP, format!("the stores `{name}` and `{}` are in {how}", first.name))
                            .at(entity.value("path"), format!("the folder of `{name}`"))
                            .at(first.value("path"), format!("the folder of `{}`", first.name))
                            .help("give each store a folder of its own"),
                    );
                }
            }
            placed.push((path.clone(), entity));
            let kind = StoreKind::Directory { path, mount: table.mount.unwrap_or(false) };
            stores.entry(name.clone()).or_insert(Store {
                name,
                kind,
                min_free,
                segment_size: segment_size.unwrap_or(SEGMENT_SIZE),
                lease: table.coordination != Some(Coordination::SingleWriter),
                span: entity.head(),
            });
        }
        stores
    }
}
