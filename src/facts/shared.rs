//! A value that is copied when one of its holders changes it, and not before.
//!
//! A plan looks at the world as each of its steps leaves it. Of a million artifacts a step changes one series.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The value, for one of its holders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shared<T>(Arc<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_its_holders_own_and_looking_copies_nothing() {
        let first: Shared<Vec<u8>> = vec![1, 2].into();
        let mut second = first.clone();
        assert!(std::ptr::eq(first.as_ptr(), second.as_ptr()));
        second.push(3);
        assert_eq!((first.as_slice(), second.as_slice()), ([1, 2].as_slice(), [1, 2, 3].as_slice()));
        let told = serde_json::to_string(&second).unwrap();
        assert_eq!((told.as_str(), serde_json::from_str::<Shared<Vec<u8>>>(&told).unwrap()), ("[1,2,3]", second));
    }
}
