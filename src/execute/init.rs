//! Makes a store: its mark, and the memory of it.

use super::error::StepError;
use super::event::Done;
use super::run::Run;
use crate::model::id::Name;
use crate::store::documents::{self, StoreMark};
use crate::store::{Created, layout};

pub(super) fn perform(run: &Run, name: &Name) -> Result<Done, StepError> {
    let store = run.store(name)?;
    let mut random = [0_u8; 16];
    random[..10].copy_from_slice(&(run.ports.entropy)());
    random[10..].copy_from_slice(&(run.ports.entropy)()[..6]);
    let mark = StoreMark::new(random, run.ports.now());
    let bytes = documents::write(&mark);
    let uuid = match store.create(layout::MARK, &bytes)? {
        Created::New => mark.uuid,
        Created::Taken => read_mark(store.as_ref())?.uuid,
    };
    run.ports.state.remember_store(&run.set.instance, name, &uuid)?;
    Ok(Done { bytes: bytes.len() as u64, ..Done::default() })
}

fn read_mark(store: &dyn crate::store::WriteStore) -> Result<StoreMark, StepError> {
    documents::read(&store.get(layout::MARK)?).map_err(|e| StepError::Damaged(format!("{}: `{}`: {e}", store.place(), layout::MARK)))
}
