//! What a host may do in the stores, and how much of them is looked at: flags that `plan` and `apply` share.

use crate::cli::session::Access;
use crate::plan::Role;

/// The flags.
#[derive(Debug, clap::Args)]
pub(super) struct Roles {
    /// For a host whose credentials cannot delete: nothing is deleted or swept, what would go is named as waiting for a janitor
    #[arg(long)]
    no_delete: bool,
    /// For a janitor, on another host: nothing but deletes and sweeps; asks no source and no engine, whichever host owns the instance
    #[arg(long, conflicts_with_all = ["no_delete", "now"])]
    only_delete: bool,
    /// Leave the payload out of the listing: quick on a store with many objects; missing objects are not seen, nothing is deleted
    #[arg(long, conflicts_with = "only_delete")]
    catalog_only: bool,
}

impl Roles {
    pub(super) fn role(&self) -> Role {
        match (self.no_delete, self.only_delete) {
            (true, _) => Role::Writer,
            (_, true) => Role::Janitor,
            (false, false) => Role::Whole,
        }
    }

    pub(super) fn access(&self, usual: Access) -> Access {
        match usual {
            _ if !self.only_delete => usual,
            Access::Write => Access::Remove,
            _ => Access::Any,
        }
    }

    pub(super) fn catalog_only(&self) -> bool {
        self.catalog_only
    }
}
