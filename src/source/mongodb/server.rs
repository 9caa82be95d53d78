//! What a server is, out of its answers. Nothing is asked here.

use std::fmt;

use bson::{Bson, Document};

use super::rights::Role;

/// A version of the server's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number. With the second one it says what data mean.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl Version {
    /// The oldest that is spoken here.
    pub const OLDEST: Self = Self { major: 4, minor: 4, patch: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A place in the oplog. Later is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpTime {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Which of this second.
    pub ordinal: u32,
    /// The election after which it was written.
    pub term: i64,
}

impl fmt::Display for OpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seconds, self.ordinal)
    }
}

/// What the oplog reaches over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its oldest entry.
    pub first: OpTime,
    /// Its newest entry.
    pub last: OpTime,
}

impl Window {
    /// How far it reaches, in seconds.
    pub fn seconds(&self) -> u32 {
        self.last.seconds.saturating_sub(self.first.seconds)
    }
}

/// A server that can be used for what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The version of its program.
    pub version: Version,
    /// The version whose features its data may use, as `6.0`.
    pub compatibility: String,
    /// What it is.
    pub kind: Kind,
    /// Roles that would show more.
    pub useful: Vec<Role>,
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Alone, without an oplog.
    Standalone,
    /// A member of a replica set.
    Member(Member),
}

/// A member of a replica set that has data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The set's name.
    pub set: String,
    /// The member, as the set knows it.
    pub name: String,
    /// Whether it takes writes.
    pub primary: bool,
    /// The last write that no election takes back, as far as the member knows.
    pub majority: OpTime,
    /// What its oplog reaches over, where that may be seen.
    pub oplog: Option<Window>,
    /// The members of the set and what each is, as `PRIMARY`, where that may be seen.
    pub members: Option<Vec<(String, String)>>,
}

/// What `hello` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hello {
    /// The door of a sharded cluster.
    Mongos,
    Standalone,
    /// A member that has data; what takes more questions is not in it yet.
    Member(Member),
    /// A server of a set that has nothing to give now: what it is, what to do.
    Idle(String, &'static str),
}

impl Hello {
    /// Reads the answer to `hello`.
    pub(super) fn read(answer: &Document) -> Result<Self, String> {
        let is = |name: &str| answer.get_bool(name).unwrap_or_default();
        if answer.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
            return Ok(Self::Mongos);
        }
        if is("isreplicaset") {
            let help = "initiate the set (`rs.initiate()`), or add the server to it";
            return Ok(Self::Idle("is to be in a replica set and is in none yet".to_owned(), help));
        }
        let Ok(set) = answer.get_str("setName").map(str::to_owned) else { return Ok(Self::Standalone) };
        let primary = is("isWritablePrimary") || is("ismaster");
        if is("arbiterOnly") {
            return Ok(Self::Idle(format!("is an arbiter of set `{set}` and has no data"), "name a member that has data"));
        }
        if !primary && !is("secondary") {
            let help = "see `rs.status()`; it cannot be read before it has caught up with the set";
            return Ok(Self::Idle(format!("is neither primary nor secondary of set `{set}` now"), help));
        }
        let last = answer.get_document("lastWrite").map_err(|_| "does not say what was written last".to_owned())?;
        let majority = last.get_document("majorityOpTime").ok().and_then(op_time);
        let majority = majority.ok_or("does not say what a majority has written")?;
        let name = answer.get_str("me").unwrap_or_default().to_owned();
        Ok(Self::Member(Member { set, name, primary, majority, oplog: None, members: None }))
    }
}

/// Before the first election, as the entry that a set begins with.
pub(super) const NO_TERM: i64 = -1;

/// Reads `ts` and `t`, of a time or of an entry of the oplog.
pub(super) fn op_time(from: &Document) -> Option<OpTime> {
    let at = from.get_timestamp("ts").ok()?;
    let term = match from.get("t") {
        None => NO_TERM,
        Some(term) => term.as_i64().or_else(|| term.as_i32().map(i64::from))?,
    };
    Some(OpTime { seconds: at.time, ordinal: at.increment, term })
}

/// Reads the answer to `buildInfo`.
pub(super) fn version(answer: &Document) -> Option<Version> {
    let numbers = answer.get_array("versionArray").ok()?;
    let number = |place: usize| u32::try_from(numbers.get(place)?.as_i32()?).ok();
    Some(Version { major: number(0)?, minor: number(1)?, patch: number(2)? })
}

/// The version whose features data may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compatibility {
    At(String),
    /// It is being changed to this one, and may be neither.
    Between(String),
}

/// Reads the answer to `getParameter` of `featureCompatibilityVersion`.
pub(super) fn compatibility(answer: &Document) -> Option<Compatibility> {
    let found = answer.get_document("featureCompatibilityVersion").ok()?;
    let between = found.get_str("targetVersion").map(|target| Compatibility::Between(target.to_owned()));
    between.or_else(|_| found.get_str("version").map(|version| Compatibility::At(version.to_owned()))).ok()
}

/// Reads the answer to `replSetGetStatus`.
pub(super) fn members(answer: &Document) -> Option<Vec<(String, String)>> {
    let member = |member: &Bson| {
        let member = member.as_document()?;
        Some((member.get_str("name").ok()?.to_owned(), member.get_str("stateStr").ok()?.to_owned()))
    };
    answer.get_array("members").ok()?.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use bson::{Timestamp, doc};

    use super::*;

    fn member() -> Document {
        let time = |time| doc! { "ts": Timestamp { time, increment: 2 }, "t": 3_i64 };
        doc! {
            "isWritablePrimary": true, "secondary": false, "setName": "r", "me": "a:1",
            "lastWrite": { "opTime": time(9), "majorityOpTime": time(8) }, "ok": 1.0,
        }
    }

    #[test]
    fn a_member_says_what_a_majority_has_written() {
        let Ok(Hello::Member(seen)) = Hello::read(&member()) else { panic!("a member") };
        assert_eq!((seen.set.as_str(), seen.name.as_str(), seen.primary), ("r", "a:1", true));
        assert_eq!(seen.majority, OpTime { seconds: 8, ordinal: 2, term: 3 });
        assert_eq!(seen.majority.to_string(), "8:2");
        let mut secondary = member();
        secondary.extend(doc! { "isWritablePrimary": false, "secondary": true });
        assert!(matches!(Hello::read(&secondary), Ok(Hello::Member(Member { primary: false, .. }))));
        let mut mute = member();
        mute.remove("lastWrite");
        assert!(Hello::read(&mute).is_err());
    }

    #[test]
    fn the_first_entry_of_a_set_has_no_term() {
        let at = Timestamp { time: 1, increment: 2 };
        assert_eq!(op_time(&doc! { "ts": at }), Some(OpTime { seconds: 1, ordinal: 2, term: NO_TERM }));
        assert_eq!(op_time(&doc! { "ts": at, "t": "x" }), None);
        assert_eq!(op_time(&doc! { "t": 1_i64 }), None);
    }

    #[test]
    fn what_has_nothing_to_give_is_told_apart() {
        let with = |more: Document| {
            let mut answer = member();
            answer.extend(more);
            Hello::read(&answer).unwrap()
        };
        assert_eq!(with(doc! { "msg": "isdbgrid" }), Hello::Mongos);
        assert_eq!(Hello::read(&doc! { "isWritablePrimary": true, "ok": 1.0 }), Ok(Hello::Standalone));
        for (more, said) in [
            (doc! { "isreplicaset": true }, "in none yet"),
            (doc! { "arbiterOnly": true }, "arbiter of set `r`"),
            (doc! { "isWritablePrimary": false }, "neither primary nor secondary of set `r`"),
        ] {
            let Hello::Idle(state, _) = with(more) else { panic!("{said}") };
            assert!(state.contains(said), "{state}");
        }
    }

    #[test]
    fn versions_are_numbers() {
        let read = |numbers: &[i32]| version(&doc! { "version": "6.0.5", "versionArray": numbers.to_vec() });
        let found = read(&[6, 0, 5, 0]).unwrap();
        assert_eq!(found.to_string(), "6.0.5");
        assert!(read(&[4, 2, 24, 0]).unwrap() < Version::OLDEST && read(&[4, 4, 0, 0]).unwrap() >= Version::OLDEST);
        assert!(read(&[10, 0, 0, 0]).unwrap() > found);
        assert_eq!((read(&[6]), read(&[-1, 0, 0])), (None, None));
    }

    #[test]
    fn a_server_between_two_versions_says_so() {
        let read = |found: Document| compatibility(&doc! { "featureCompatibilityVersion": found, "ok": 1.0 });
        assert_eq!(read(doc! { "version": "6.0" }), Some(Compatibility::At("6.0".to_owned())));
        let between = Some(Compatibility::Between("6.0".to_owned()));
        assert_eq!(read(doc! { "version": "5.0", "targetVersion": "6.0" }), between);
        assert_eq!((read(doc! {}), compatibility(&doc! { "ok": 1.0 })), (None, None));
    }

    #[test]
    fn a_window_never_reaches_below_nothing() {
        let at = |seconds| OpTime { seconds, ordinal: 1, term: 1 };
        assert_eq!(Window { first: at(10), last: at(70) }.seconds(), 60);
        assert_eq!(Window { first: at(70), last: at(10) }.seconds(), 0);
    }
}
