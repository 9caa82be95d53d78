//! One stretch of a deep listing, and where to cut it.

use chrono::TimeDelta;

use super::page::{Ask, Page};
use crate::model::id::{Instant, STAMP_LEN, parse_stamp, stamp};
use crate::store::port::Object;

/// A stretch of a listing: the keys of a prefix after one key, up to another one and with it.
#[derive(Debug)]
pub(super) struct Walk {
    prefix: String,
    /// It names folders, which become stretches of their own.
    folders: bool,
    /// The last key that does not belong to it.
    after: Option<String>,
    /// The last key that belongs to it; none: all that are left.
    until: Option<String>,
    token: Option<String>,
    /// The last key that came.
    at: Option<String>,
    objects: Vec<Object>,
    ended: bool,
}

impl Walk {
    /// All below a prefix.
    pub(super) fn new(prefix: &str) -> Self {
        Self::stretch(prefix, None, None)
    }

    fn stretch(prefix: &str, after: Option<String>, until: Option<String>) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix, folders: false, after, until, token: None, at: None, objects: Vec::new(), ended: false }
    }

    /// The page that comes next.
    pub(super) fn ask(&self) -> Ask {
        // a listing of folders begins at the beginning: services differ in what comes after a key inside of a folder
        let after = self.after.clone().filter(|_| !self.folders);
        Ask { prefix: self.prefix.clone(), flat: self.folders, after, token: self.token.clone() }
    }

    /// Its objects, once all have come.
    pub(super) fn finished(&mut self) -> Option<Vec<Object>> {
        self.ended.then(|| std::mem::take(&mut self.objects))
    }

    /// Takes a page; the stretches that were cut off for as many more requests as are `idle`. None: keys come out of order.
    pub(super) fn take(&mut self, page: Page, idle: usize, now: Instant, strangers: &mut Vec<String>) -> Option<Vec<Self>> {
        if self.folders {
            return Some(self.take_folders(page, strangers));
        }
        if let (Some(at), Some((first, _))) = (&self.at, &page.span)
            && first <= at
        {
            return None;
        }
        let inside = |key: &String| self.until.as_ref().is_none_or(|until| key <= until);
        let past = page.span.as_ref().is_some_and(|(_, last)| !inside(last));
        let before = self.at.is_none();
        strangers.extend(page.strangers.into_iter().filter(inside));
        self.objects.extend(page.objects.into_iter().filter(|object| inside(&object.key)));
        self.token = page.next;
        self.ended = past || self.token.is_none();
        let Some((first, last)) = page.span else { return Some(Vec::new()) };
        self.at = Some(last.clone());
        if self.ended {
            return Some(Vec::new());
        }
        match (self.time(&first), self.time(&last)) {
            (Some(first), Some(last)) => Some(self.cut(first, last, idle, now)),
            _ if before && self.after.is_none() && self.until.is_none() && last[self.prefix.len()..].contains('/') => {
                // names of folders: what has come stays with this stretch, the rest is found by folder
                self.ended = true;
                Some(vec![Self { folders: true, ..Self::stretch(&self.prefix, Some(last), None) }])
            }
            _ => Some(Vec::new()),
        }
    }

    /// The time that a key below the prefix begins with.
    fn time(&self, key: &str) -> Option<Instant> {
        parse_stamp(key.get(self.prefix.len()..self.prefix.len() + STAMP_LEN)?).ok()
    }

    /// Cuts off what is left into stretches of equal time, no more than pages are to be expected.
    fn cut(&mut self, first: Instant, last: Instant, idle: usize, now: Instant) -> Vec<Self> {
        let end = self.until.as_ref().and_then(|until| self.time(until)).unwrap_or(now);
        let (left, page) = ((end - last).num_milliseconds(), (last - first).num_milliseconds().max(1));
        if left <= 0 {
            return Vec::new();
        }
        let pages = usize::try_from(left / page).unwrap_or(usize::MAX);
        let pieces = i32::try_from(idle.min(pages)).unwrap_or(0);
        let mut bounds: Vec<String> = (1..=pieces)
            .map(|n| last + TimeDelta::milliseconds(left / i64::from(pieces + 1) * i64::from(n)))
            .map(|at| format!("{}{}", self.prefix, stamp(at)))
            .filter(|bound| self.at.as_ref().is_none_or(|at| bound > at))
            .collect();
        bounds.dedup();
        let Some(mine) = bounds.first().cloned() else { return Vec::new() };
        let ends = bounds.iter().skip(1).cloned().map(Some).chain([self.until.replace(mine)]);
        bounds.iter().zip(ends).map(|(bound, end)| Self::stretch(&self.prefix, Some(bound.clone()), end)).collect()
    }

    fn take_folders(&mut self, page: Page, strangers: &mut Vec<String>) -> Vec<Self> {
        let done = self.after.clone().unwrap_or_default();
        strangers.extend(page.strangers.into_iter().filter(|key| *key > done));
        self.objects.extend(page.objects.into_iter().filter(|object| object.key > done));
        self.token = page.next;
        self.ended = self.token.is_none();
        let folders = page.folders.into_iter().map(|folder| format!("{}{folder}", self.prefix));
        let left = folders.filter(|folder| done.starts_with(folder) || *folder > done);
        left.map(|folder| Self::stretch(&folder, Some(done.clone()).filter(|done| done.starts_with(&folder)), None)).collect()
    }
}
