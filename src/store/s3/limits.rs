//! What a service takes of an upload in parts, tried for `doctor` with the least that shows it.
//!
//! How many parts an object may have is asked by the number of a part: services refuse the number that is too high, and nothing but
//! that one part is sent. The parts of [`parts`] grow, which some services refuse; two that differ show it, each as small as a part
//! may be that is not the last.

use std::io;

use bytes::Bytes;

use super::client::Wire;
use super::parts;
use crate::store::doctor::Promise;
use crate::store::error::{StoreError, chain};
use crate::store::port::Created;

/// What every service takes as a part that is not the last.
const LEAST: usize = 5 << 20;
/// By how much the second part is the larger one.
const MORE: usize = 64 << 10;

impl Wire {
    /// What came of it, in a folder that is tidied up afterwards. Sends 10 MiB.
    pub(super) async fn part_limits(&self, folder: &str) -> Vec<Promise> {
        let max_parts = self.bucket.max_parts;
        let mut all = Vec::new();
        // the first part is tried with every large object, and one that nothing follows grows from nothing
        if max_parts > 1 {
            let tried = self.numbered(&format!("{folder}numbered"), max_parts).await;
            all.push(judged(tried, "max-parts", |refusal| {
                let said = format!("a part of the number {max_parts} is refused, and `max_parts` allows it: {refusal}");
                Promise::broken("max-parts", said, "set `max_parts` to what the service takes, such as 1000")
            }));
        }
        if max_parts > 2 {
            let tried = self.grown(&format!("{folder}grown")).await;
            all.push(judged(tried, "growing-parts", |refusal| {
                let mib = parts::even(max_parts) >> 20;
                let said = format!("an upload whose parts grow is refused, as one of more than {mib} MiB would be: {refusal}");
                Promise::broken("growing-parts", said, format!("set `segment_size` to at most \"{mib}MiB\"")).relied(false)
            }));
        }
        all
    }

    /// Sends one part with that number.
    async fn numbered(&self, key: &str, number: u16) -> Result<Promise, StoreError> {
        let id = self.begin(key).await?;
        let sent = self.part(key, &id, number, Bytes::from_static(b"last")).await;
        let ended = self.abort(key, &id).await;
        sent?;
        ended?;
        let said = format!("a part of the number {number} is taken, the highest of `max_parts`; that many were not sent");
        Ok(Promise::holds("max-parts", said))
    }

    /// Makes an object of parts that grow, and a last one.
    async fn grown(&self, key: &str) -> Result<Promise, StoreError> {
        let id = self.begin(key).await?;
        let made = async {
            let mut done = Vec::new();
            for (number, size) in [(1_u8, LEAST), (2, LEAST + MORE), (3, 1)] {
                done.push(self.part(key, &id, u16::from(number), Bytes::from(vec![number; size])).await?);
            }
            self.complete(key, &id, &done).await
        };
        let made = match made.await {
            Ok(made) => made,
            Err(error) => {
                // what stays is found when the folder is tidied up
                let _ = self.abort(key, &id).await;
                return Err(error);
            }
        };
        let whole = (LEAST + LEAST + MORE + 1) as u64;
        let seam = self.piece(key, LEAST as u64 - 1, 2, None).await?;
        Ok(if made == Created::New && seam.total == whole && seam.into_bytes()[..] == [1, 2] {
            Promise::holds("growing-parts", "parts that grow are put together as they were sent")
        } else {
            let another = "use another service: what it makes of an upload is not what was sent";
            Promise::broken("growing-parts", "parts that grow were put together in another way than they were sent", another)
        })
    }
}

/// What was tried; a refusal of the service as what it means, and anything else as not known.
fn judged(tried: Result<Promise, StoreError>, about: &'static str, refused: impl FnOnce(String) -> Promise) -> Promise {
    match tried {
        Ok(promise) => promise,
        Err(error) if is_refusal(&error) => refused(chain(&error)),
        Err(error) => Promise::unknown(about, chain(&error)),
    }
}

/// Whether the service has answered, and with no.
fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::Other)
}
