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
    ended: bool,
}

/// What a page brought.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Objects of the stretch, by key.
    pub(super) objects: Vec<Object>,
    /// Keys of it that cannot be objects of ours.
    pub(super) strangers: Vec<String>,
    /// Stretches that were cut off.
    pub(super) cut: Vec<Walk>,
}

impl Walk {
    /// All below a prefix.
    pub(super) fn new(prefix: &str) -> Self {
        Self::stretch(prefix, None, None)
    }

    fn stretch(prefix: &str, after: Option<String>, until: Option<String>) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix, folders: false, after, until, token: None, at: None, ended: false }
    }

    /// The page that comes next.
    pub(super) fn ask(&self) -> Ask {
        // a listing of folders begins at the beginning: services differ in what comes after a key inside of a folder
        let after = self.after.clone().filter(|_| !self.folders);
        Ask { prefix: self.prefix.clone(), flat: self.folders, after, token: self.token.clone() }
    }

    /// Whether all of it has come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Takes a page, and cuts off stretches for as many more requests as are `idle`. None: keys come out of order.
    pub(super) fn take(&mut self, page: Page, idle: usize, now: Instant) -> Option<Step> {
        if self.folders {
            return Some(self.take_folders(page));
        }
        if let (Some(at), Some((first, _))) = (&self.at, &page.span)
            && first <= at
        {
            return None;
        }
        // on both sides, so that no key belongs to two stretches
        let past = |key: &str| self.until.as_ref().is_some_and(|until| key > until.as_str());
        let inside = |key: &str| self.after.as_ref().is_none_or(|after| key > after.as_str()) && !past(key);
        let ends = page.span.as_ref().is_some_and(|(_, last)| past(last));
        let before = self.at.is_none();
        let strangers = page.strangers.into_iter().filter(|key| inside(key)).collect();
        let mut objects: Vec<Object> = page.objects.into_iter().filter(|object| inside(&object.key)).collect();
        if !objects.is_sorted_by(|a, b| a.key < b.key) {
            // as a listing of one page may come
            objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            objects.dedup_by(|a, b| a.key == b.key);
        }
        let mut step = Step { objects, strangers, cut: Vec::new() };
        self.token = page.next;
        self.ended = ends || self.token.is_none();
        let Some((first, last)) = page.span else { return Some(step) };
        self.at = Some(last.clone());
        if self.ended {
            return Some(step);
        }
        step.cut = match (self.time(&first), self.time(&last)) {
            (Some(first), Some(last)) => self.cut(first, last, idle, now),
            _ if before && self.after.is_none() && self.until.is_none() && last[self.prefix.len()..].contains('/') => {
                // names of folders: what has come stays with this stretch, the rest is found by folder
                self.ended = true;
                vec![Self { folders: true, ..Self::stretch(&self.prefix, Some(last), None) }]
            }
            _ => Vec::new(),
        };
        Some(step)
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

    fn take_folders(&mut self, page: Page) -> Step {
        let done = self.after.clone().unwrap_or_default();
        // some services name a folder on two pages
        let before = self.at.clone().unwrap_or_default();
        let strangers = page.strangers.into_iter().filter(|key| *key > done).collect();
        let objects: Vec<Object> = page.objects.into_iter().filter(|object| object.key > done && object.key > before).collect();
        self.token = page.next;
        self.ended = self.token.is_none();
        let folders = page.folders.into_iter().map(|folder| format!("{}{folder}", self.prefix)).filter(|folder| *folder > before);
        let left: Vec<String> = folders.filter(|folder| done.starts_with(folder) || *folder > done).collect();
        self.at = left.iter().chain(objects.iter().map(|object| &object.key)).max().cloned().or_else(|| self.at.take());
        let cut =
            left.iter().map(|folder| Self::stretch(folder, Some(done.clone()).filter(|done| done.starts_with(folder)), None)).collect();
        Step { objects, strangers, cut }
    }
}
