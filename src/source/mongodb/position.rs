//! A place in the oplog, as people and records write it.

use std::fmt;
use std::str::FromStr;

use bson::Timestamp;

/// A place in the oplog: `SECONDS:ORDINAL`. Later is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Which of this second.
    pub ordinal: u32,
}

impl From<Timestamp> for Position {
    fn from(at: Timestamp) -> Self {
        Self { seconds: at.time, ordinal: at.increment }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seconds, self.ordinal)
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let parts = text.split_once(':').and_then(|(seconds, ordinal)| Some((number(seconds)?, number(ordinal)?)));
        let (seconds, ordinal) = parts.ok_or_else(|| format!("`{text}` is no position in an oplog, which is `SECONDS:ORDINAL`"))?;
        Ok(Self { seconds, ordinal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_two_numbers() {
        let position: Position = "12:3".parse().unwrap();
        assert_eq!((position, position.to_string().as_str()), (Position { seconds: 12, ordinal: 3 }, "12:3"));
        assert!(position < "12:4".parse().unwrap() && position < "13:0".parse().unwrap());
        for text in ["", "12", "12:", ":3", "+1:3", "4294967296:1", "1:2:3"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
