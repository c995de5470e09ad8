//! A session's link endpoints by handle, ours and the peer's.
//!
//! Guarantees: an endpoint has the lowest handle that was free, and none that the peer does not take; the handles of both ends name each
//! other as long as an endpoint has both.

use crate::endpoint::Endpoint;
use crate::event::LinkId;

/// The link endpoints of one session.
#[derive(Debug)]
pub(crate) struct Handles {
    endpoints: Vec<Option<Box<Endpoint>>>,
    /// Local handle plus one, by remote handle.
    by_remote: Vec<u32>,
    /// Highest handle that the peer takes.
    pub remote_max: u32,
    /// Each handle below is used.
    free_from: u32,
}

impl Default for Handles {
    fn default() -> Self {
        Self { endpoints: Vec::new(), by_remote: Vec::new(), remote_max: u32::MAX, free_from: 0 }
    }
}

impl Handles {
    /// The endpoint of a handle of ours.
    #[inline]
    pub fn get(&self, handle: u32) -> Option<&Endpoint> {
        self.endpoints.get(handle as usize)?.as_deref()
    }

    /// The endpoint of a handle of ours, to change.
    #[inline]
    pub fn get_mut(&mut self, handle: u32) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(handle as usize)?.as_deref_mut()
    }

    /// The endpoint of a key that is not stale.
    #[inline]
    pub fn by_id(&mut self, id: LinkId) -> Option<&mut Endpoint> {
        self.get_mut(id.handle).filter(|link| link.generation == id.generation)
    }

    /// Our handle for one of the peer's.
    #[inline]
    pub fn local(&self, remote: u32) -> Option<u32> {
        self.by_remote.get(remote as usize).and_then(|local| local.checked_sub(1))
    }

    /// All of them, with their handles.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Endpoint)> {
        (0..).zip(&self.endpoints).filter_map(|(handle, link)| Some((handle, link.as_deref()?)))
    }

    /// Adds an endpoint at the lowest free handle; `None` when the peer takes no handle as high as that.
    pub fn add(&mut self, link: Endpoint) -> Option<u32> {
        let (from, len) = (self.free_from as usize, self.endpoints.len());
        let free = self.endpoints.iter().skip(from).position(Option::is_none);
        let place = free.map_or(len, |free| from + free);
        let handle = u32::try_from(place).ok().filter(|&handle| handle <= self.remote_max)?;
        self.free_from = handle + 1;
        if place == self.endpoints.len() {
            self.endpoints.push(None);
        }
        if let Some(slot) = self.endpoints.get_mut(place) {
            *slot = Some(Box::new(link));
        }
        Some(handle)
    }

    /// Notes the peer's handle of a link.
    pub fn bind(&mut self, handle: u32, remote: u32) {
        if self.by_remote.len() <= remote as usize {
            self.by_remote.resize(remote as usize + 1, 0);
        }
        if let Some(place) = self.by_remote.get_mut(remote as usize) {
            *place = handle + 1;
        }
        if let Some(link) = self.get_mut(handle) {
            link.remote_handle = Some(remote);
        }
    }

    /// The peer may use its handle of a link for another one.
    pub fn unbind(&mut self, handle: u32) {
        let remote = self.get_mut(handle).and_then(|link| link.remote_handle.take());
        if let Some(place) = remote.and_then(|remote| self.by_remote.get_mut(remote as usize)) {
            *place = 0;
        }
    }

    /// Forgets an endpoint; gives whether there was one.
    pub fn remove(&mut self, handle: u32) -> bool {
        self.unbind(handle);
        let is_there = self.endpoints.get_mut(handle as usize).and_then(Option::take).is_some();
        if is_there {
            self.free_from = self.free_from.min(handle);
        }
        is_there
    }

    /// Forgets all of them, and that they were attached: the session ends.
    pub fn clear(&mut self) {
        self.endpoints.clear();
        self.free_from = 0;
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        let free_from = self.free_from as usize;
        assert!(
            self.endpoints.iter().take(free_from).all(Option::is_some),
            "handles below the first that is free are used"
        );
        assert!(free_from <= self.endpoints.len(), "that one is the next at most");
        for (handle, link) in self.iter() {
            if let Some(remote) = link.remote_handle {
                assert_eq!(self.local(remote), Some(handle), "handles name each other");
            }
        }
    }
}
