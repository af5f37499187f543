//! The last packets of one stream, kept once in plain form for all receivers.

/// Packets kept per stream.
const PACKETS_MAX: usize = 512;
/// Bytes kept per stream at the start and at most; doubles while packets younger than [`RETAIN_US`] would go.
const BYTES_MIN: usize = 32 * 1024;
const BYTES_MAX: usize = 1024 * 1024;
/// How long a packet should stay available, in µs.
const RETAIN_US: u64 = 1_000_000;
/// Longest payload kept; a datagram is not larger.
pub const PAYLOAD_LEN_MAX: usize = 1600;
/// Room before the payload for the original sequence number of an RTX packet (RFC 4588 §4).
const RTX_HEAD: usize = 2;

/// Number of a packet in its cache; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CacheIndex(pub u64);

/// A kept packet: fields that are the same for every receiver.
#[derive(Debug, Clone, Copy, Default)]
pub struct CachedFields {
    /// Payload type at the sender.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Orientation byte.
    pub video_orientation: Option<u8>,
    /// What its payload says.
    pub payload: crate::codec::VideoPayload,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    start: u64,
    descriptor_len: u16,
    payload_len: u16,
    stored_at_us: u64,
    fields: CachedFields,
}

impl Entry {
    const fn len(&self) -> usize {
        self.descriptor_len as usize + RTX_HEAD + self.payload_len as usize
    }
}

/// A ring of bytes with a ring of packets over it. Allocates with the first packet and
/// while it grows to its working size.
#[derive(Debug)]
pub struct PacketCache {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Bytes ever written, including those skipped at the end of the ring.
    written: u64,
    /// Oldest packet still kept.
    first: u64,
    /// Number of the next packet.
    next: u64,
}

/// A packet in the cache, writable because each receiver's numbers are written over the last one's.
#[derive(Debug)]
pub struct CachedPacket<'a> {
    /// Common fields.
    pub fields: CachedFields,
    /// Raw dependency descriptor, empty if there was none.
    pub descriptor: &'a [u8],
    body: &'a mut [u8],
}

impl CachedPacket<'_> {
    /// Writes the receiver's numbers into the payload and returns it.
    pub fn payload(&mut self, picture_id: u16, tl0_picture_index: u8) -> &[u8] {
        let payload = &mut self.body[RTX_HEAD..];
        self.fields.payload.rewrite(payload, picture_id, tl0_picture_index);
        payload
    }

    /// The payload of an RTX packet: original number, then the payload with the receiver's numbers.
    pub fn rtx_payload(&mut self, original: u16, picture_id: u16, tl0_picture_index: u8) -> &[u8] {
        self.payload(picture_id, tl0_picture_index);
        self.body[..RTX_HEAD].copy_from_slice(&original.to_be_bytes());
        self.body
    }
}

impl PacketCache {
    /// An empty cache.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), entries: Vec::new(), written: 0, first: 0, next: 0 }
    }

    /// Gives the memory back. Packets kept so far are gone; the count goes on, so that none is taken for another.
    pub fn release(&mut self) {
        self.bytes = Vec::new();
        self.entries = Vec::new();
        self.written = 0;
        self.first = self.next;
    }

    /// Keeps a packet; `None` when it is longer than [`PAYLOAD_LEN_MAX`].
    pub fn push(&mut self, now_us: u64, fields: CachedFields, descriptor: &[u8], payload: &[u8]) -> Option<CacheIndex> {
        if payload.len() > PAYLOAD_LEN_MAX || descriptor.len() > 255 {
            return None;
        }
        if self.bytes.is_empty() {
            self.bytes = vec![0; BYTES_MIN];
            self.entries = vec![Entry::default(); PACKETS_MAX];
        }
        let mut entry = Entry {
            start: 0,
            descriptor_len: descriptor.len() as u16,
            payload_len: payload.len() as u16,
            stored_at_us: now_us,
            fields,
        };
        entry.start = self.make_room(entry.len(), now_us);
        self.written = entry.start + entry.len() as u64;
        let at = self.offset(entry.start);
        self.bytes[at..at + descriptor.len()].copy_from_slice(descriptor);
        let body = at + descriptor.len() + RTX_HEAD;
        self.bytes[body..body + payload.len()].copy_from_slice(payload);
        let index = self.next;
        self.entries[Self::slot(index)] = entry;
        self.next += 1;
        Some(CacheIndex(index))
    }

    /// A packet that is still kept.
    pub fn get(&mut self, index: CacheIndex) -> Option<CachedPacket<'_>> {
        if index.0 < self.first || index.0 >= self.next {
            return None;
        }
        let entry = self.entries[Self::slot(index.0)];
        let at = self.offset(entry.start);
        let (descriptor, body) = self.bytes[at..at + entry.len()].split_at_mut(usize::from(entry.descriptor_len));
        Some(CachedPacket { fields: entry.fields, descriptor, body })
    }

    /// Where `len` bytes go, after growing the ring or giving up old packets.
    fn make_room(&mut self, len: usize, now_us: u64) -> u64 {
        loop {
            let start = self.place(len);
            let keep_from = (start + len as u64).saturating_sub(self.bytes.len() as u64);
            let mut first = self.first.max((self.next + 1).saturating_sub(PACKETS_MAX as u64));
            let mut newest_lost_us = None;
            while first < self.next && self.entries[Self::slot(first)].start < keep_from {
                newest_lost_us = Some(self.entries[Self::slot(first)].stored_at_us);
                first += 1;
            }
            if self.bytes.len() < BYTES_MAX && newest_lost_us.is_some_and(|stored| stored + RETAIN_US > now_us) {
                self.grow();
                continue;
            }
            self.first = first;
            return start;
        }
    }

    const fn slot(index: u64) -> usize {
        (index % PACKETS_MAX as u64) as usize
    }

    const fn offset(&self, position: u64) -> usize {
        (position % self.bytes.len() as u64) as usize
    }

    /// Where the next `len` bytes go: never across the end of the ring.
    const fn place(&self, len: usize) -> u64 {
        let room = self.bytes.len() - self.offset(self.written);
        if room < len { self.written + room as u64 } else { self.written }
    }

    /// Doubles the ring. A packet that does not cross the end of the smaller ring does not cross that of the larger.
    fn grow(&mut self) {
        let mut bytes = vec![0; self.bytes.len() * 2];
        for index in self.first..self.next {
            let entry = self.entries[Self::slot(index)];
            let from = self.offset(entry.start);
            let to = (entry.start % bytes.len() as u64) as usize;
            bytes[to..to + entry.len()].copy_from_slice(&self.bytes[from..from + entry.len()]);
        }
        self.bytes = bytes;
    }
}

impl Default for PacketCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(number: u64, len: usize) -> Vec<u8> {
        (0..len).map(|at| (number as usize * 31 + at) as u8).collect()
    }

    #[test]
    fn keeps_the_newest_whole() {
        let mut cache = PacketCache::new();
        let mut all = Vec::new();
        for number in 0..3_000u64 {
            let payload = body(number, 200 + (number * 37 % 1_300) as usize);
            let descriptor = body(number + 1, (number % 40) as usize);
            // A packet each 2 ms: half a megabyte in the second that is to be kept.
            let index = cache.push(number * 2_000, CachedFields::default(), &descriptor, &payload).unwrap();
            all.push((index, descriptor, payload));
        }
        assert!(cache.bytes.len() <= BYTES_MAX);
        let kept = all.iter().filter(|(index, descriptor, payload)| {
            cache.get(*index).is_some_and(|mut packet| {
                assert_eq!(packet.descriptor, &descriptor[..]);
                assert_eq!(packet.payload(0, 0), &payload[..]);
                assert_eq!(packet.rtx_payload(0x0102, 0, 0)[..2], [1, 2]);
                true
            })
        });
        let kept = kept.count();
        assert!((500..=PACKETS_MAX).contains(&kept), "{kept}");
        assert!(cache.get(all[0].0).is_none());
        assert!(cache.get(CacheIndex(3_000)).is_none());
    }

    #[test]
    fn released_packets_are_not_taken_for_new_ones() {
        let mut cache = PacketCache::new();
        let old: Vec<_> =
            (0..10).map(|n| cache.push(n, CachedFields::default(), &[], &body(n, 100)).unwrap()).collect();
        cache.release();
        let new: Vec<_> =
            (0..10).map(|n| cache.push(n, CachedFields::default(), &[], &body(n, 100)).unwrap()).collect();
        assert!(old.iter().all(|&index| cache.get(index).is_none()));
        assert!(new.iter().all(|&index| cache.get(index).is_some()));
    }

    #[test]
    fn stays_small_for_a_slow_stream_and_bounded_for_a_fast_one() {
        let mut slow = PacketCache::new();
        for number in 0..1_000 {
            slow.push(number * 50_000, CachedFields::default(), &[], &body(number, 500)).unwrap();
        }
        assert_eq!(slow.bytes.len(), BYTES_MIN);
        let mut fast = PacketCache::new();
        for number in 0..10_000 {
            fast.push(number, CachedFields::default(), &[], &body(number, PAYLOAD_LEN_MAX)).unwrap();
        }
        assert!(fast.bytes.len() <= BYTES_MAX);
        assert_eq!(fast.push(0, CachedFields::default(), &[], &[0; PAYLOAD_LEN_MAX + 1]), None);
        assert_eq!(fast.push(0, CachedFields::default(), &[0; 256], &[]), None);
    }
}
