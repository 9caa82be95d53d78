//! All that is below a prefix, listed side by side.
//!
//! A page holds a thousand keys, and the next one cannot be asked for before it came. So what is large is cut: into its folders
//! where they are named, and into stretches of time where the names begin with a stamp, as those of artifacts do. A stretch that
//! turns out long is cut again, as long as there is room for more requests. A page that fails makes the whole an error.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::client::Wire;
use super::failure::Failure;
use super::leftover;
use super::page::{Ask, Page, decoded};
use super::put::instant;
use super::seen::Seen;
use super::walk::{Step, Walk};
use crate::model::id::Instant;
use crate::store::error::StoreError;
use crate::store::port::{Object, Reach, Survey, check_stored};

/// A service that takes the prefix of a listing of uploads for the whole key of one. Asked without it, it lists them all.
const EXACT: &str = "MinIO";
/// Pages that are asked for at once.
const WAYS: usize = 16;

impl Wire {
    /// All that is below a prefix.
    pub(super) async fn survey(self: &Arc<Self>, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        if reach == Reach::Deep {
            let mut objects = Vec::new();
            let mut survey = self.pieces(prefix, &mut |piece| objects.extend(piece)).await?;
            objects.sort_unstable_by(|a: &Object, b| a.key.cmp(&b.key));
            survey.objects = objects;
            return Ok(survey);
        }
        let (survey, leftovers) = tokio::join!(self.flat(prefix), self.unfinished(prefix, reach));
        Ok(Survey { leftovers: leftovers?, ..survey? })
    }

    /// All that is below a prefix and below its folders, the objects handed over as they come.
    pub(super) async fn pieces(self: &Arc<Self>, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Survey, StoreError> {
        let (strangers, leftovers) = tokio::join!(self.deep(prefix, take), self.unfinished(prefix, Reach::Deep));
        Ok(Survey { strangers: strangers?, leftovers: leftovers?, ..Survey::default() })
    }

    async fn flat(&self, prefix: &str) -> Result<Survey, StoreError> {
        let mut survey = Survey::default();
        let mut ask = Ask { prefix: prefix.to_owned(), flat: true, ..Ask::default() };
        loop {
            let page = self.page(&ask).await?;
            survey.objects.extend(page.objects);
            survey.folders.extend(page.folders);
            survey.strangers.extend(page.strangers);
            ask.token = page.next;
            if ask.token.is_none() {
                break;
            }
        }
        survey.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        survey.folders.sort_unstable();
        survey.strangers.sort_unstable();
        Ok(survey)
    }

    async fn deep(self: &Arc<Self>, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Vec<String>, StoreError> {
        let mut waiting = VecDeque::from([Walk::new(prefix)]);
        let mut running: JoinSet<(Walk, Result<Page, StoreError>)> = JoinSet::new();
        let mut strangers = Vec::new();
        loop {
            while running.len() < WAYS
                && let Some(walk) = waiting.pop_front()
            {
                let wire = Arc::clone(self);
                let ask = walk.ask();
                running.spawn_on(async move { (walk, wire.page(&ask).await) }, self.runtime().handle());
            }
            let Some(came) = running.join_next().await else { break };
            let lost = |_| StoreError::of(&self.place, "list", prefix, io::Error::other("the thread that lists was lost"));
            let (mut walk, page) = came.map_err(lost)?;
            let page = page?;
            let now = page.date.unwrap_or_else(|| (self.clock)());
            let idle = WAYS.saturating_sub(running.len() + waiting.len() + 1);
            let step = walk.take(page, idle, now);
            let unsorted = || StoreError::of(&self.place, "list", prefix, io::Error::other("the listing is not in the order of its keys"));
            let Step { objects, strangers: strange, cut } = step.ok_or_else(unsorted)?;
            take(objects);
            strangers.extend(strange);
            waiting.extend(cut);
            if !walk.ended() {
                waiting.push_front(walk);
            }
        }
        strangers.sort_unstable();
        Ok(strangers)
    }

    /// Uploads that never ended. A service that cannot list them, or does not let us, shows none.
    async fn unfinished(&self, prefix: &str, reach: Reach) -> Result<Vec<Object>, StoreError> {
        let mut found = Vec::new();
        let mut below = self.whole(prefix);
        let mut flat = reach == Reach::Flat;
        let (mut from_key, mut from_id) = (None, None);
        loop {
            let list = self.client.list_multipart_uploads().bucket(&self.bucket.name).prefix(&below);
            let list = list.set_delimiter(flat.then(|| "/".to_owned())).encoding_type(aws_sdk_s3::types::EncodingType::Url);
            let list = list.set_key_marker(from_key.clone()).set_upload_id_marker(from_id.clone());
            let seen = Seen::default();
            let page = match list.customize().interceptor(seen.clone()).send().await.map_err(Failure::from) {
                Ok(page) => page,
                Err(failure) if failure.is_unknown() || failure.is_denied() || failure.is_missing() => return Ok(Vec::new()),
                Err(failure) => return Err(failure.about(self, "list the uploads of", prefix)),
            };
            if seen.is_of(EXACT) && !below.is_empty() && page.uploads().is_empty() {
                (below, flat) = (String::new(), false);
                continue;
            }
            let url = page.encoding_type() == Some(&aws_sdk_s3::types::EncodingType::Url);
            for upload in page.uploads() {
                let key = upload.key().and_then(|key| decoded(key, url)).and_then(|key| self.own(&key));
                // not every service cuts this listing at the delimiter
                let reached = |key: &str| reach == Reach::Deep || !key[prefix.len()..].contains('/');
                let ours = key.filter(|key| key.starts_with(prefix) && reached(key) && leftover::is_ours(key));
                let (Some(key), Some(id)) = (ours, upload.upload_id()) else { continue };
                let name = leftover::name(&key, id);
                if check_stored(&self.place, &name).is_ok() {
                    let modified = upload.initiated().map_or(Instant::MAX_UTC, instant);
                    found.push(Object { key: name, bytes: 0, modified });
                }
            }
            if page.is_truncated() != Some(true) {
                break;
            }
            let next = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
            if next.0.is_none() || next == (from_key, from_id) {
                let what = "the listing of uploads breaks off: it goes on, and it is not said where";
                return Err(StoreError::of(&self.place, "list", prefix, io::Error::new(io::ErrorKind::InvalidData, what)));
            }
            (from_key, from_id) = next;
        }
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }
}
