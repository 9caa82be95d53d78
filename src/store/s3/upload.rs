//! Objects of unknown size, in parts that are buffered whole.
//!
//! What fits into one part is one PUT. A part on its way holds a share of the store's memory, the one that fills holds none:
//! whoever writes two objects in turn always goes on. An upload that is dropped, that fails or that finds its name taken is
//! aborted; one that cannot be aborted shows as a leftover.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::task::JoinHandle;

use super::client::Wire;
use super::failure::Failure;
use super::parts;
use super::seen::Seen;
use crate::store::error::StoreError;
use crate::store::port::{Created, Upload};

/// How long the end of a process waits for what it aborts.
const ABORT: Duration = Duration::from_secs(30);
/// The same where somebody asked to stop.
const LAST_WORD: Duration = Duration::from_secs(1);
/// Between two looks whether somebody asked to stop.
const GLANCE: Duration = Duration::from_millis(100);

type Sent = JoinHandle<Result<CompletedPart, StoreError>>;

/// An object on its way.
pub(super) struct Parts {
    wire: Arc<Wire>,
    key: String,
    /// The part that fills.
    buffer: Vec<u8>,
    /// The number of the part that fills, from 1 on.
    number: u16,
    /// The id of the upload, once the first part is full.
    id: Option<String>,
    sent: VecDeque<Sent>,
    done: Vec<CompletedPart>,
    /// Raised where nobody waits for it any more.
    cancel: Option<Arc<AtomicBool>>,
    failed: bool,
}

impl Parts {
    pub(super) fn new(wire: Arc<Wire>, key: &str) -> Self {
        let (buffer, sent, done) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { wire, key: key.to_owned(), buffer, number: 1, id: None, sent, done, cancel: None, failed: false }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }

    /// Waits for an answer, or for the flag that says not to.
    fn wait<F: Future>(&self, work: F) -> Result<F::Output, StoreError> {
        let Some(cancel) = &self.cancel else { return Ok(self.wire.wait(work)) };
        let raised = async {
            while !cancel.load(Ordering::Relaxed) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        self.wire.wait(async {
            match select(pin!(raised), pin!(work)).await {
                Either::Left(_) => {
                    let broken_off = io::Error::new(io::ErrorKind::Interrupted, "it was broken off");
                    Err(StoreError::of(&self.wire.place, "write", &self.key, broken_off))
                }
                Either::Right((done, _)) => Ok(done),
            }
        })
    }

    fn size(&self) -> usize {
        parts::size(self.number, self.wire.bucket.max_parts)
    }

    /// Sends the part that is full, and makes room for the next.
    fn send(&mut self) -> Result<(), StoreError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.id.insert(self.wait(self.wire.begin(&self.key))??).clone(),
        };
        while self.sent.front().is_some_and(JoinHandle::is_finished) {
            self.take()?;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let (wire, key, number) = (Arc::clone(&self.wire), self.key.clone(), self.number);
        let mib = bytes.len().div_ceil(1 << 20).min(parts::IN_FLIGHT);
        let room = Arc::clone(&wire.sending).acquire_many_owned(u32::try_from(mib).unwrap_or(1));
        // never closed
        let room = self.wait(room)?.map_err(|error| StoreError::of(&self.wire.place, "write", &self.key, io::Error::other(error)))?;
        self.sent.push_back(self.wire.runtime().spawn(async move {
            let part = wire.part(&key, &id, number, bytes.clone()).await;
            // before its room: whoever gets that finds the memory as well
            wire.spare().extend(bytes.try_into_mut().map(Vec::from));
            drop(room);
            part
        }));
        self.number += 1;
        Ok(())
    }

    /// Waits for the oldest part that was sent.
    fn take(&mut self) -> Result<(), StoreError> {
        let Some(sent) = self.sent.pop_front() else { return Ok(()) };
        let lost = |_| StoreError::of(&self.wire.place, "write", &self.key, io::Error::other("the thread that writes was lost"));
        let part = self.wait(sent)?.map_err(lost)??;
        self.done.push(part);
        Ok(())
    }

    fn accept(&mut self, bytes: &[u8]) -> Result<usize, StoreError> {
        if self.buffer.len() == self.size() {
            if self.number >= self.wire.bucket.max_parts {
                let limit = parts::largest(self.wire.bucket.max_parts);
                let why = format!("an object there holds no more than {limit} bytes in its {} parts", self.wire.bucket.max_parts);
                return Err(StoreError::of(&self.wire.place, "write", &self.key, io::Error::new(io::ErrorKind::FileTooLarge, why)));
            }
            self.send()?;
        }
        let size = self.size();
        if self.buffer.capacity() < size && self.buffer.len() + bytes.len() > SMALL {
            // at once, instead of by doubling: only what is written to takes memory
            let mut whole = self.wire.spare().pop().unwrap_or_default();
            whole.clear();
            whole.reserve_exact(size);
            whole.extend_from_slice(&self.buffer);
            self.buffer = whole;
        }
        let n = bytes.len().min(size - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn finish(&mut self) -> Result<Created, StoreError> {
        if self.id.is_none() {
            let bytes = Bytes::from(std::mem::take(&mut self.buffer));
            return self.wait(self.wire.create(&self.key, bytes))?;
        }
        self.send()?;
        while !self.sent.is_empty() {
            self.take()?;
        }
        let Some(id) = &self.id else { return Ok(Created::Taken) };
        let created = self.wait(self.wire.complete(&self.key, id, &self.done))??;
        if created == Created::New {
            self.id = None;
        }
        Ok(created)
    }

    /// Ends the upload on the other side, as well as that can be done.
    fn abort(&mut self) {
        self.buffer = Vec::new();
        let Some(id) = self.id.take() else { return };
        let (wire, key) = (Arc::clone(&self.wire), self.key.clone());
        let sent = std::mem::take(&mut self.sent);
        let (tell, told) = mpsc::channel();
        self.wire.runtime().spawn(async move {
            for sent in sent {
                sent.abort();
                // a part that arrives after the abort would stay, paid for and invisible
                let _ = sent.await;
            }
            // what stays is listed as a leftover and swept later
            let _ = wire.abort(&key, &id).await;
            let _ = tell.send(());
        });
        // not by blocking on the runtime: this runs in destructors, wherever those run
        let _ = told.recv_timeout(if self.is_cancelled() { LAST_WORD } else { ABORT });
    }
}

/// Less is not worth room for a whole part.
const SMALL: usize = 1 << 20;

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            let earlier = io::Error::other("an earlier write failed");
            return Err(StoreError::of(&self.wire.place, "write", &self.key, earlier).into());
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        self.accept(bytes).map_err(|error| {
            // at once: nobody pays for parts that nobody needs
            self.failed = true;
            self.abort();
            error.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Parts {
    fn heed(&mut self, cancel: &Arc<AtomicBool>) {
        self.cancel = Some(Arc::clone(cancel));
    }

    fn commit(mut self: Box<Self>) -> Result<Created, StoreError> {
        if self.failed {
            return Err(StoreError::of(&self.wire.place, "write", &self.key, io::Error::other("an earlier write failed")));
        }
        self.finish()
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.abort();
        // another upload that is under way takes what it needs anew
        self.wire.spare().clear();
    }
}

impl Wire {
    fn spare(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload: its id.
    pub(super) async fn begin(&self, key: &str) -> Result<String, StoreError> {
        let dress = self.dress(key);
        let algorithm = self.algorithm(&dress);
        let begin = self.client.create_multipart_upload().bucket(&self.bucket.name).key(self.whole(key));
        let begin = begin
            .set_checksum_algorithm(algorithm)
            .set_storage_class(dress.storage_class)
            .set_server_side_encryption(dress.sse)
            .set_ssekms_key_id(dress.sse_key)
            .set_object_lock_mode(dress.lock)
            .set_object_lock_retain_until_date(dress.until);
        let begun = begin.send().await.map_err(|error| Failure::from(error).about(self, "write", key))?;
        let none = || StoreError::of(&self.place, "write", key, io::Error::other("the service gave no id for the upload"));
        begun.upload_id().map(str::to_owned).ok_or_else(none)
    }

    pub(super) async fn part(&self, key: &str, id: &str, number: u16, bytes: Bytes) -> Result<CompletedPart, StoreError> {
        let limits = self.limits(bytes.len() as u64);
        let algorithm = self.algorithm(&self.dress(key));
        let seen = Seen::default();
        let part = self.client.upload_part().bucket(&self.bucket.name).key(self.whole(key)).upload_id(id);
        let part = part.part_number(i32::from(number)).set_checksum_algorithm(algorithm).body(ByteStream::from(bytes));
        // a SHA-256 of each part would cost more than all the rest: its CRC-32 is signed, and the record has the SHA-256 of the whole
        let custom = part.customize().interceptor(seen.clone()).disable_payload_signing();
        let custom = custom.config_override(aws_sdk_s3::Config::builder().timeout_config(limits));
        let sent = custom.send().await.map_err(|error| Failure::from(error).about(self, "write", key))?;
        Ok(CompletedPart::builder()
            .part_number(i32::from(number))
            .set_e_tag(sent.e_tag().map(str::to_owned))
            .set_checksum_crc32(seen.checksum())
            .build())
    }

    pub(super) async fn complete(&self, key: &str, id: &str, parts: &[CompletedPart]) -> Result<Created, StoreError> {
        if !self.bucket.conditional && self.look(key).await?.is_some() {
            return Ok(Created::Taken);
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket.name).key(self.whole(key)).upload_id(id);
        let complete = complete.multipart_upload(parts).set_if_none_match(self.bucket.conditional.then(|| "*".to_owned()));
        // the service puts the parts together before it answers
        let seen = Seen::default();
        let custom = complete.customize().interceptor(seen.clone());
        let custom = custom.config_override(aws_sdk_s3::Config::builder().timeout_config(self.limits(16 << 20)));
        let failure = match custom.send().await.map_err(Failure::from) {
            Ok(_) => return Ok(Created::New),
            Err(failure) if failure.is_condition() => return Ok(Created::Taken),
            Err(failure) => failure,
        };
        // a second try finds no upload where the first one was done, whatever the service calls that
        if !failure.is_unclear() && !failure.is_conflict() && !failure.is_no_upload() && !seen.repeated() {
            return Err(failure.about(self, "write", key));
        }
        // it may have been ours: whoever reads it knows by its digest
        match self.look(key).await {
            Ok(Some(_)) => Ok(Created::Taken),
            _ => Err(failure.about(self, "write", key)),
        }
    }

    /// Ends an upload that is not to be; one that is not there has ended.
    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<(), StoreError> {
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket.name).key(self.whole(key)).upload_id(id);
        match abort.send().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_missing() || failure.is_no_upload() => Ok(()),
            Err(failure) => Err(failure.about(self, "abort the upload of", key)),
        }
    }
}
