//! How long a frame takes to draw, screen by screen, with two runs of 25 epochs on show.
//!
//! `cargo bench --bench draw`. `aat-tui bench draw` measures the same frames.

use aat_tui::tui::{graphics::Graphics, testing::draw_bench::stages};
use criterion::{Criterion, criterion_group, criterion_main};

fn draw(criterion: &mut Criterion) {
    for (size, name) in [((120, 40), "120x40"), ((200, 50), "200x50")] {
        for mut stage in stages(size, Graphics::Half).into_iter().flatten() {
            let title = format!("{} {name}", stage.name);
            criterion.bench_function(&title, |bencher| bencher.iter(|| stage.draw()));
        }
    }
}

criterion_group!(benches, draw);
criterion_main!(benches);
