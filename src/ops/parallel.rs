//! Work for every core: tiles of rows, and scratch memory per core.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    sync::OnceLock,
    thread::available_parallelism,
};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Most threads for live predictions: a small model has no work for more.
const ANSWERING: usize = 4;

thread_local! {
    /// Whether work that begins on this thread stays in its pool.
    static STAYS: Cell<bool> = const { Cell::new(false) };
}

/// The compute threads: one per core, or as many as `RAYON_NUM_THREADS` says.
fn compute() -> Option<&'static ThreadPool> {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().thread_name(|i| format!("compute-{i}")).build().ok();
    THREADS.get_or_init(build).as_ref()
}

/// How many compute threads there are.
pub fn threads() -> usize {
    compute().map_or(1, ThreadPool::current_num_threads)
}

/// Runs `f` on the compute threads. On a thread of [`install_apart`]'s or of a [`Share`] it stays there.
pub fn install<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    match compute().filter(|_| !STAYS.get()) {
        Some(threads) => threads.install(f),
        None => f(),
    }
}

/// A share of the cores, for work that goes on beside other work of the same kind.
pub struct Share(Option<ThreadPool>);

impl Share {
    /// So many threads.
    pub fn new(threads: usize) -> Self {
        let builder = ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(|i| format!("share-{i}"));
        Self(builder.start_handler(|_| STAYS.set(true)).build().ok())
    }

    /// Runs `f` on them, and everything that it installs.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(threads) => threads.install(f),
            None => f(),
        }
    }
}

/// Runs `f` on a few threads apart from the others, for live predictions.
///
/// A pool finishes what it has begun before it takes new work, so a prediction among the steps of a training run waits
/// for whole layers of them. Between two pools the system shares the cores evenly, within milliseconds.
pub fn install_apart<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let threads = THREADS.get_or_init(|| {
        let cores = available_parallelism().map_or(1, usize::from);
        let builder = ThreadPoolBuilder::new().num_threads(cores.min(ANSWERING));
        builder.thread_name(|i| format!("answer-{i}")).start_handler(|_| STAYS.set(true)).build().ok()
    });
    match threads {
        Some(threads) => threads.install(f),
        None => f(),
    }
}

/// Fewest rows worth a task: with fewer, a product spends its time reading the weights.
const LEAST_ROWS: usize = 16;

/// Height of the tiles that `rows` are cut into: at most about `target`, equal, and as many tiles as keep every core
/// busy to the end.
pub fn tile_rows(rows: usize, target: usize) -> usize {
    let threads = rayon::current_num_threads().max(1);
    let tiles = rows.div_ceil(target.max(1)).next_multiple_of(threads);
    rows.div_ceil(tiles).max(LEAST_ROWS.min(rows)).max(1)
}

/// The ranges of `0..rows` in steps of `height`.
pub fn tiles(rows: usize, height: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(height).map(move |from| from..(from + height).min(rows))
}

/// A buffer of rows from which tiles are taken off the front, one after another. An empty one stays empty: it stands
/// for something that is not wanted.
pub struct Rows<'a, T = f32> {
    rest: &'a mut [T],
    width: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Rows of `width` values.
    pub fn new(data: &'a mut [T], width: usize) -> Self {
        Self { rest: data, width }
    }

    /// The next `rows` rows.
    pub fn take(&mut self, rows: usize) -> &'a mut [T] {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return rest;
        }
        let (taken, rest) = rest.split_at_mut(rows * self.width);
        self.rest = rest;
        taken
    }
}

/// Memory that grows to the largest requested size and then stays.
#[derive(Debug, Default)]
pub struct Buffer<T = f32>(Vec<T>);

impl<T: Clone + Default> Buffer<T> {
    /// `len` values with arbitrary contents.
    pub fn get(&mut self, len: usize) -> &mut [T] {
        if self.0.len() < len {
            // A fresh zeroed allocation, not a resize: the old values need no copy, and the system's pages are zero.
            self.0 = Vec::new();
            self.0 = vec![T::default(); len];
        }
        &mut self.0[..len]
    }

    /// `len` values when wanted, else none.
    pub fn get_if(&mut self, wanted: bool, len: usize) -> &mut [T] {
        if wanted { self.get(len) } else { &mut [] }
    }

    /// The first `len` values as they are, or none if nothing was saved.
    pub fn kept(&self, len: usize) -> &[T] {
        self.0.get(..len).unwrap_or_default()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }
}

/// Borrows this core's scratch, `N` pieces of the given lengths, with arbitrary contents.
pub fn with_scratch<const N: usize, R>(lengths: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    // A stack, so that each depth of nesting gets its own memory again.
    thread_local! { static SCRATCH: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) } }
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let mut rest = buffer.get(lengths.iter().sum());
    let pieces = lengths.map(|length| {
        let (piece, others) = std::mem::take(&mut rest).split_at_mut(length);
        rest = others;
        piece
    });
    let result = f(pieces);
    SCRATCH.with_borrow_mut(|stack| stack.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_rows_once() {
        for (rows, target) in [(1, 100), (66, 32), (602, 128), (1056, 4000)] {
            let height = tile_rows(rows, target);
            assert!(height <= target.max(LEAST_ROWS));
            let mut data = vec![0.0; rows * 3];
            let mut taken = Rows::new(&mut data, 3);
            let mut next = 0;
            for tile in tiles(rows, height) {
                assert_eq!(tile.start, next);
                taken.take(tile.len()).fill(1.0);
                next = tile.end;
            }
            assert_eq!(next, rows);
            assert!(data.iter().all(|&x| x == 1.0));
        }
        assert!(Rows::<f32>::new(&mut [], 3).take(5).is_empty());
    }

    #[test]
    fn answers_stay_on_threads_of_their_own() {
        let name = || std::thread::current().name().unwrap_or_default().to_owned();
        assert!(install(name).starts_with("compute-"));
        assert!(install_apart(|| install(name)).starts_with("answer-"));
        assert!(install(name).starts_with("compute-"));
        let share = Share::new(2);
        assert_eq!(share.install(rayon::current_num_threads), 2);
        assert!(share.install(|| install(name)).starts_with("share-"));
    }

    #[test]
    fn scratch_may_be_nested() {
        with_scratch([2, 3], |[a, b]| {
            a.fill(1.0);
            with_scratch([4], |[c]| c.fill(2.0));
            b.fill(3.0);
            assert_eq!((a.len(), b.len(), a[1]), (2, 3, 1.0));
        });
    }
}
