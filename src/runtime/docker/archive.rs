//! What is at a path in a container, as the engine's tar stream.
//!
//! An engine that fails in the middle may end the stream as if it were whole: whoever reads it looks for the archive's own end.

use std::io::{self, Read};
use std::time::Duration;

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::client::{ANSWER, Line};
use super::picture::is_name;
use crate::runtime::RuntimeError;

/// How many blocks wait between the engine and the reader.
const WAITING: usize = 8;
/// How long the engine may be silent in the middle.
const SILENCE: Duration = Duration::from_mins(2);

/// A block; none: the end.
type Block = io::Result<Option<Vec<u8>>>;

impl Line {
    /// What is at a path. What is not there is an error here, not of the reader.
    pub(super) fn read_archive(&self, container: &str, path: &str) -> Result<Box<dyn Read + Send>, RuntimeError> {
        if !is_name(container) {
            return Err(RuntimeError::Gone(container.to_owned()));
        }
        let what = format!("read {path} of container {container}");
        let asked = self.about(&what, container, ANSWER);
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let client = self.client.clone().with_timeout(ANSWER);
        let mut stream = Box::pin(client.download_from_container(container, Some(options)));
        let first = self.handle.block_on(async { tokio::time::timeout(SILENCE, stream.next()).await });
        let first = match first {
            Ok(Some(Ok(block))) => block,
            Ok(Some(Err(error))) => return Err(asked.failed(&error)),
            Ok(None) => return Err(asked.refused("the engine sent nothing")),
            Err(_) => return Err(asked.timed_out()),
        };
        let (give, take) = mpsc::channel::<Block>(WAITING);
        self.handle.spawn(async move {
            let mut next: Block = Ok(Some(first.to_vec()));
            loop {
                let last = !matches!(next, Ok(Some(_)));
                // A reader that is gone wants no more.
                if give.send(next).await.is_err() || last {
                    return;
                }
                next = match tokio::time::timeout(SILENCE, stream.next()).await {
                    Ok(Some(Ok(block))) => Ok(Some(block.to_vec())),
                    Ok(Some(Err(error))) => Err(io::Error::other(error.to_string())),
                    Ok(None) => Ok(None),
                    Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the engine has fallen silent")),
                };
            }
        });
        Ok(Box::new(Blocks { take, block: Vec::new(), at: 0, ended: false }))
    }
}

struct Blocks {
    take: mpsc::Receiver<Block>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            match self.take.blocking_recv() {
                Some(Ok(Some(block))) => (self.block, self.at) = (block, 0),
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                // The connection's owner went away before the end.
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let read = buffer.len().min(self.block.len() - self.at);
        buffer[..read].copy_from_slice(&self.block[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}
