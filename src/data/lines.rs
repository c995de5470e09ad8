//! Queues and messages as lines of JSON, which any later version of Heddle reads.
//!
//! The first line says what it is, the last one how much came before it: an export that was cut off, also between two lines, is
//! not taken for whole. Version 1 had no last line, and is still read.

use std::io::{self, Write};
use std::num::NonZeroU64;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, Purpose};
use engine_shard::store::Extracted;
use serde::{Deserialize, Serialize};
use storage_disk::LargeFiles;

use super::large::{FILE_PART, file_parts};

/// Version of the lines that are written.
pub const VERSION: u32 = 2;
/// The version whose exports do not say where they end.
pub const VERSION_ENDLESS: u32 = 1;

/// A line of an export.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Heddle { export: u32 },
    /// A queue; messages that follow are in it.
    Queue {
        address: String,
        name: String,
        multicast: bool,
        subscription: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selector: Option<Box<str>>,
        /// The number of the container whose messages it leaves out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_local: Option<NonZeroU64>,
    },
    /// A message of the last queue.
    Message {
        priority: u8,
        format: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_ms: Option<NonZeroU64>,
        delivery_count: u32,
        /// Whether its annotations name a time before which it is not to be given.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        scheduled: bool,
        /// What is left of it after this follows in `Part` lines.
        #[serde(default, skip_serializing_if = "is_zero")]
        parts: u64,
        /// What else is said of it in its queue, as its record has it, with 0 for the queue's number.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        attributes: String,
        body: String,
    },
    /// The next part of the last message.
    Part { body: String },
    /// The last one: what was written before it.
    End { queues: u64, messages: u64 },
}

fn is_zero(parts: &u64) -> bool {
    *parts == 0
}

/// Lines on their way.
pub struct Writer<W> {
    out: W,
    /// Queues so far.
    pub queues: u64,
    /// Messages so far.
    pub messages: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the first line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(out: W) -> io::Result<Self> {
        let mut writer = Self { out, queues: 0, messages: 0 };
        writer.line(&Line::Heddle { export: VERSION })?;
        Ok(writer)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }

    /// Messages that follow are in this queue.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn queue(&mut self, declared: &Declared) -> io::Result<()> {
        let Declared { routing, purpose, address, name, selector, no_local, .. } = declared;
        self.queues += 1;
        self.line(&Line::Queue {
            address: address.clone(),
            name: name.clone(),
            multicast: *routing == RoutingType::Multicast,
            subscription: *purpose == Purpose::Subscription,
            selector: selector.clone(),
            no_local: no_local.and_then(|origin| NonZeroU64::new(origin.number())),
        })
    }

    /// A message of the last queue; a large one out of its file.
    ///
    /// # Errors
    /// When it cannot be written, or its file cannot be read.
    pub fn message(&mut self, files: &LargeFiles, found: &Extracted) -> io::Result<()> {
        let Extracted { message, attributes, .. } = found;
        let large = message.large();
        self.messages += 1;
        self.line(&Line::Message {
            priority: message.header.priority,
            format: message.format,
            expires_ms: message.expires_wall_ms,
            delivery_count: message.header.delivery_count,
            scheduled: message.header.scheduled,
            parts: large.map_or(0, |large| large.bytes.div_ceil(FILE_PART as u64)),
            attributes: BASE64_STANDARD.encode(attributes),
            body: if large.is_some() { String::new() } else { BASE64_STANDARD.encode(&message.body) },
        })?;
        for (part, place) in large.iter().flat_map(|large| file_parts(files, large)).zip(0..) {
            let part = Bytes::copy_from_slice(part?.bytes());
            let part = if place == 0 { message.annotate_front(part) } else { part };
            self.line(&Line::Part { body: BASE64_STANDARD.encode(part) })?;
        }
        Ok(())
    }

    /// Ends with the last line; gives what was written to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> io::Result<W> {
        let Self { queues, messages, .. } = self;
        self.line(&Line::End { queues, messages })?;
        Ok(self.out)
    }
}
