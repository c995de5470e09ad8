//! Results for people and programs; everything is made as text or bytes, and nothing is written anywhere.
#![forbid(unsafe_code)]
