//! One page of a listing, and what makes it credible.
//!
//! A page that says it goes on and does not say where is an error, never the end; one whose keys do not come in their order as well,
//! because ranges of it could not be told apart.

use std::io;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use chrono::DateTime;

use super::client::Wire;
use super::failure::Failure;
use super::put::instant;
use super::seen::Seen;
use crate::model::id::Instant;
use crate::store::error::StoreError;
use crate::store::layout::TEMP_PREFIX;
use crate::store::port::{Object, check_key};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    /// Keys that start with it.
    pub(super) prefix: String,
    /// Folders are named, not entered.
    pub(super) flat: bool,
    /// Only keys after this one.
    pub(super) after: Option<String>,
    /// Where the page before ended, in the service's own words.
    pub(super) token: Option<String>,
}

/// What came.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    pub(super) folders: Vec<String>,
    pub(super) strangers: Vec<String>,
    /// The first and the last key, ours or not.
    pub(super) span: Option<(String, String)>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
    /// The service's clock.
    pub(super) date: Option<Instant>,
}

impl Wire {
    /// The page that is asked for.
    pub(super) async fn page(&self, ask: &Ask) -> Result<Page, StoreError> {
        let seen = Seen::default();
        let list = self.client.list_objects_v2().bucket(&self.bucket.name).prefix(self.whole(&ask.prefix)).encoding_type(EncodingType::Url);
        let list = list
            .set_delimiter(ask.flat.then(|| "/".to_owned()))
            .set_start_after(ask.after.as_ref().filter(|_| ask.token.is_none()).map(|after| self.whole(after)))
            .set_continuation_token(ask.token.clone());
        let sent = list.customize().interceptor(seen.clone()).send().await;
        let output = sent.map_err(|error| Failure::from(error).about(self, "list", &ask.prefix))?;
        let wrong = |what: &str| StoreError::of(&self.place, "list", &ask.prefix, io::Error::new(io::ErrorKind::InvalidData, what));
        let mut page = Page { date: seen.date(), ..Page::default() };
        self.take(&output, ask, &mut page)?;
        if let Some((first, last)) = &page.span
            && (first < &ask.prefix || first > last)
        {
            return Err(wrong("the listing has keys that were not asked for"));
        }
        if output.is_truncated() == Some(true) {
            match output.next_continuation_token() {
                None => return Err(wrong("the listing breaks off: it goes on, and it is not said where")),
                Some(next) if ask.token.as_deref() == Some(next) => return Err(wrong("the listing breaks off: it does not get on")),
                Some(next) => page.next = Some(next.to_owned()),
            }
        }
        Ok(page)
    }

    fn take(&self, output: &ListObjectsV2Output, ask: &Ask, page: &mut Page) -> Result<(), StoreError> {
        let wrong = |what: &str| StoreError::of(&self.place, "list", &ask.prefix, io::Error::new(io::ErrorKind::InvalidData, what));
        let url = output.encoding_type() == Some(&EncodingType::Url);
        let whole = output.is_truncated() != Some(true) && ask.token.is_none() && ask.after.is_none();
        page.objects.reserve_exact(output.contents().len());
        for listed in output.contents() {
            let Some(key) = listed.key() else { return Err(wrong("the listing has an object without a name")) };
            let Some(text) = decoded(key, url) else {
                page.strangers.push(key.to_owned());
                continue;
            };
            let Some(key) = self.own(&text).filter(|key| key.starts_with(&ask.prefix)) else {
                return Err(wrong("the listing has keys that were not asked for"));
            };
            match &mut page.span {
                None => page.span = Some((key.clone(), key.clone())),
                Some((first, last)) if key >= *last || whole => {
                    *last = last.clone().max(key.clone());
                    *first = std::mem::take(first).min(key.clone());
                }
                Some(_) => return Err(wrong("the listing is not in the order of its keys")),
            }
            if key.is_empty() || key.ends_with('/') {
                // a mark that there is a folder, as consoles make it
            } else if key.contains(TEMP_PREFIX) || check_key(&self.place, &key).is_err() {
                page.strangers.push(key);
            } else {
                let bytes = listed.size().and_then(|bytes| u64::try_from(bytes).ok());
                let Some(bytes) = bytes else { return Err(wrong("the listing has an object without a size")) };
                page.objects.push(Object {
                    key,
                    bytes,
                    modified: listed.last_modified().map_or(DateTime::<chrono::Utc>::MAX_UTC, instant),
                });
            }
        }
        for folder in output.common_prefixes().iter().filter_map(|common| common.prefix()) {
            match decoded(folder, url).and_then(|folder| self.own(&folder)?.strip_prefix(&ask.prefix).map(str::to_owned)) {
                Some(folder) => page.folders.push(folder),
                None => page.strangers.push(folder.to_owned()),
            }
        }
        Ok(())
    }
}

/// A key as it is; services escape what XML cannot hold, where they are asked to. None: it is no text.
pub(super) fn decoded(key: &str, url: bool) -> Option<String> {
    if !url || !key.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(key.to_owned());
    }
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unescaped_where_they_were_escaped() {
        assert_eq!(decoded("a/b%20c+d%2Be", true).as_deref(), Some("a/b c d+e"));
        assert_eq!(decoded("a%20b", false).as_deref(), Some("a%20b"));
        assert_eq!(decoded("a%ff", true), None);
        assert_eq!(decoded("a%2", true), None);
    }
}
