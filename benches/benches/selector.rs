//! Selectors on a message of 100 octets with properties: what evaluation costs, alone and of a thousand by their index.

#![expect(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine_selector::{Index, Selector};
use heddle_benches::selector::{EQUALITY, message, view};

fn selectors(criterion: &mut Criterion) {
    let kept = message();
    let view = view(&kept);
    for (name, text) in [
        ("equality", EQUALITY),
        ("header", "JMSPriority > 3"),
        ("two and a range", "color = 'red' AND quantity BETWEEN 1 AND 9"),
        (
            "ten alternatives",
            "color = 'a' OR color = 'b' OR color = 'c' OR color = 'd' OR color = 'e' OR color = 'f' OR color = 'red'",
        ),
        ("like", "color LIKE '%e_'"),
    ] {
        let selector = Selector::parse(text).expect("well-formed");
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(&selector).matches(black_box(&view))));
    }
    criterion.bench_function("parse equality", |bencher| {
        bencher.iter(|| Selector::parse(black_box(EQUALITY)).is_ok());
    });
    let mut index = Index::default();
    let many: Vec<_> =
        (0..1000).map(|key| Selector::parse(&format!("quantity = {key}")).expect("well-formed")).collect();
    many.iter().enumerate().for_each(|(key, selector)| index.insert(key, selector));
    criterion.bench_function("the one of a thousand", |bencher| {
        bencher.iter(|| {
            let mut found = 0;
            black_box(&index).candidates(black_box(&view), |key| found += usize::from(many[key].matches(&view)));
            found
        });
    });
}

criterion_group!(benches, selectors);
criterion_main!(benches);
