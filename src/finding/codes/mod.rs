//! The tables of codes, one file per origin. A new code is a row; the constant is made from it.

/// Declares constants of [`Code`](super::code::Code) and the table that holds them.
macro_rules! codes {
    ($origin:ident; $($name:ident $severity:ident $text:literal, $title:literal, $explanation:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: crate::finding::code::Code = crate::finding::code::Code(&crate::finding::code::Entry {
                text: $text,
                origin: crate::finding::code::Origin::$origin,
                severity: severity!($severity),
                title: $title,
                explanation: $explanation,
            });
        )*
        /// Every code of this table.
        pub const TABLE: &[crate::finding::code::Code] = &[$($name),*];
    };
}

/// The words of the tables as severities.
macro_rules! severity {
    (error) => {
        Some(crate::finding::value::Severity::Error)
    };
    (warning) => {
        Some(crate::finding::value::Severity::Warning)
    };
    (advice) => {
        Some(crate::finding::value::Severity::Advice)
    };
    (off) => {
        None
    };
}

pub mod graph;
pub mod lint;
pub mod manifest;
pub mod world;

/// Every table, in the order in which codes are listed.
pub(super) const TABLES: [&[super::code::Code]; 4] = [manifest::TABLE, graph::TABLE, lint::TABLE, world::TABLE];
