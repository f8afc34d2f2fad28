//! The capture callback allocates nothing: it runs on the device's real-time thread.
//!
//! Unsafe code: a global allocator cannot be written without it. This one only counts and forwards, and is in this file
//! alone so that no other test uses it.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Duration,
};

use aat_tui::audio::ring;

struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn note() {
    if WATCHED.get() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note();
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and deallocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    COUNT.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    COUNT.get()
}

#[test]
fn the_callback_allocates_nothing_with_room_or_without() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1u8; 100]))) >= 2, "the count works");

    let (mut writer, mut reader) = ring::pair(48_000, 2);
    let sound = vec![1000i16; 2 * 1200];
    // 12 s into a ring of 4 s: it becomes full midway.
    let count = allocations(|| {
        for _ in 0..480 {
            writer.take(&sound, Duration::from_millis(5));
        }
    });
    assert_eq!(count, 0);
    assert_eq!(reader.dropped(), 8 * 48_000);

    let mut heard = Vec::new();
    while reader.pull(&mut heard).is_some() {}
    assert_eq!(heard.len(), 4 * 48_000);
    assert_eq!(allocations(|| writer.take(&sound, Duration::ZERO)), 0);
}
