//! Documents that wait: in memory, and in a file without a name once they are many.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bson::raw::RawDocument;
use rustix::fs::{Mode, OFlags};

use super::error::MongoError;

/// Documents one after the other.
#[derive(Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    /// What came before what is in memory.
    file: Option<BufWriter<File>>,
}

impl Spool {
    pub(super) fn push(&mut self, document: &RawDocument) {
        self.memory.extend_from_slice(document.as_bytes());
    }

    /// Bytes in memory.
    pub(super) fn weight(&self) -> usize {
        self.memory.len()
    }

    /// Empties the memory into the file.
    pub(super) fn spill(&mut self, folder: &Path) -> Result<(), MongoError> {
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
            let file = file.map_err(|error| failed(folder, &error.into()))?;
            self.file.insert(BufWriter::new(File::from(file)))
        };
        file.write_all(&self.memory).map_err(|error| failed(folder, &error))?;
        self.memory = Vec::new();
        Ok(())
    }

    /// Gives every document, in the order in which they came.
    pub(super) fn drain(self, folder: &Path, mut each: impl FnMut(&RawDocument) -> Result<(), MongoError>) -> Result<(), MongoError> {
        if let Some(file) = self.file {
            let mut file = file.into_inner().map_err(|error| failed(folder, error.error()))?;
            file.seek(SeekFrom::Start(0)).map_err(|error| failed(folder, &error))?;
            give(folder, &mut BufReader::new(file), &mut each)?;
        }
        give(folder, &mut self.memory.as_slice(), &mut each)
    }
}

fn give(folder: &Path, input: &mut impl Read, each: &mut impl FnMut(&RawDocument) -> Result<(), MongoError>) -> Result<(), MongoError> {
    let mut document = Vec::new();
    loop {
        let mut length = [0; 4];
        match input.read(&mut length[..1]).map_err(|error| failed(folder, &error))? {
            0 => return Ok(()),
            _ => input.read_exact(&mut length[1..]).map_err(|error| failed(folder, &error))?,
        }
        // what stands here was pushed as a whole document
        let rest = u64::from(u32::from_le_bytes(length)).saturating_sub(4);
        document.clear();
        document.extend_from_slice(&length);
        input.by_ref().take(rest).read_to_end(&mut document).map_err(|error| failed(folder, &error))?;
        let document = RawDocument::from_bytes(&document);
        each(document.map_err(|error| failed(folder, &std::io::Error::other(error.to_string())))?)?;
    }
}

fn failed(folder: &Path, error: &std::io::Error) -> MongoError {
    MongoError::Scratch { folder: folder.display().to_string(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn what_was_spilled_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::default();
        for number in 0..10 {
            spool.push(&rawdoc! { "n": number });
            if number % 4 == 3 {
                spool.spill(folder.path()).unwrap();
                assert_eq!(spool.weight(), 0);
            }
        }
        let mut found = Vec::new();
        spool
            .drain(folder.path(), |document| {
                found.push(document.get_i32("n").unwrap());
                Ok(())
            })
            .unwrap();
        assert_eq!(found, (0..10).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
