//! Java's texts of values, as the originals write and read them: numbers, dates, JSON, header texts, regular expressions.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod civil;
pub mod date;
pub mod date_time;
pub mod header_text;
pub mod json;
pub mod number;
pub mod parse;
pub mod regex;
pub mod string;
