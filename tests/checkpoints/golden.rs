//! Hidden states after every block and logits, against the makers' own code (`tests/golden/make_models.py`).

use std::path::{Path, PathBuf};

use aat_tui::model::{
    self, Features, Method, ParamStore, Portable, Request,
    checkpoint::{Checkpoint, Dtype, Format, open_tensors},
};
use candle_core::{DType, Var};

/// Largest difference that the order of additions in float32 may make; what grows too large for it is in float64.
const TOLERANCE: f32 = 2e-4;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models")
}

/// Opens a case as its metadata says, by a method that must change nothing before it is trained.
fn agrees(case: &Path, method: Option<Method>) {
    let expected = open_tensors(&case.join("expected.safetensors")).unwrap();
    let read = |name: &str| {
        let mut values = Vec::new();
        expected.read(name, &mut values).unwrap();
        values
    };
    let number = |key: &str| expected.metadata.get(key).map(|value| value.parse::<usize>().unwrap());
    let has_logits = expected.has("logits");
    let request = Request {
        frames: number("frames"),
        stride: number("stride").map(|stride| [stride; 2]),
        classes: (!has_logits).then_some(3),
        method,
        ..Request::new(case.join(&expected.metadata["checkpoint"]).to_str().unwrap())
    };
    let opened = model::open(&request).unwrap_or_else(|why| panic!("{}: {why}", case.display()));
    let shape = expected.get("input").unwrap().shape.clone();
    let input = Features { batch: 1, frames: shape[1], bins: shape[2], data: read("input"), valid: vec![shape[1]] };
    let engine = Portable::new(opened.config.clone(), opened.method);
    let exact = expected.get("hidden.0").unwrap().dtype == Dtype::F64;
    let store = if exact { in_double(&opened.store) } else { opened.store };
    let (hidden, logits) = engine.trace(&store, &input).unwrap();
    assert_eq!(hidden.len(), opened.config.depth);
    let compare = |what: &str, got: &[f32], want: &[f32]| {
        assert_eq!(got.len(), want.len(), "{}: {what}", case.display());
        let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < TOLERANCE, "{}: {what} is off by {worst}", case.display());
        worst
    };
    let mut worst = 0f32;
    for (block, hidden) in hidden.iter().enumerate() {
        worst = worst.max(compare(&format!("block {block}"), hidden, &read(&format!("hidden.{block}"))));
    }
    if has_logits {
        worst = worst.max(compare("logits", &logits, &read("logits")));
    }
    eprintln!("{}: off by at most {worst:.1e}", case.display());
}

fn in_double(store: &ParamStore) -> ParamStore {
    let (specs, vars) = store
        .iter()
        .map(|(spec, var)| (spec.clone(), Var::from_tensor(&var.to_dtype(DType::F64).unwrap()).unwrap()))
        .unzip();
    ParamStore::new(specs, vars, store.device().clone()).unwrap()
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.join("expected.safetensors").is_file() {
            cases.push(path);
        } else if path.is_dir() {
            cases.extend(self::cases(&path));
        }
    }
    cases.sort();
    cases
}

#[test]
fn every_maker_agrees() {
    let cases = cases(&models());
    assert!(cases.len() >= 14, "{cases:?}");
    for case in cases {
        agrees(&case, None);
        agrees(&case, Some(Method::aat()));
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn published_shapes_agree() {
    let Some(folder) = std::env::var_os("AAT_TUI_GOLDEN_MODELS") else {
        eprintln!("skipped: AAT_TUI_GOLDEN_MODELS names no folder of make_models.py --large");
        return;
    };
    for case in cases(Path::new(&folder)) {
        agrees(&case, None);
    }
}

#[test]
fn what_a_file_is_comes_from_its_content() {
    let expected = [
        ("deit/model.safetensors", Format::Deit, 0),
        ("ggml-whisper/weights.bin", Format::GgmlWhisper, 0),
        ("gong-ast/weights.pth", Format::GongAst, 7),
        ("gong-ssast-frame/weights.pth", Format::GongSsast, 0),
        ("gong-ssast-patch/weights.pth", Format::GongSsast, 0),
        ("hf-ast", Format::HuggingFaceAst, 3),
        ("hf-ast-in-memory/weights.bin", Format::HuggingFaceAst, 3),
        ("hf-ssast", Format::HuggingFaceAst, 0),
        ("hf-whisper", Format::HuggingFaceWhisper, 0),
        ("hf-whisper-128", Format::HuggingFaceWhisper, 0),
        ("hf-whisper-classifier", Format::HuggingFaceWhisper, 3),
    ];
    for (file, format, classes) in expected {
        let checkpoint = Checkpoint::open(&models().join(file)).unwrap();
        assert_eq!((checkpoint.format, checkpoint.config.classes), (format, classes), "{file}");
    }
}

#[test]
fn labels_statistics_and_leftovers_are_told() {
    let ast = Checkpoint::open(&models().join("hf-ast")).unwrap();
    assert_eq!(ast.labels.unwrap(), ["dog", "rain", "clock tick"]);
    assert!((ast.normalisation.unwrap().mean + 4.2677).abs() < 1e-4);
    let gong = Checkpoint::open(&models().join("gong-ast/weights.pth")).unwrap();
    let ignored: Vec<&str> = gong.ignored.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        ignored,
        ["module.v.head.bias", "module.v.head.weight", "module.v.head_dist.bias", "module.v.head_dist.weight"]
    );
}

#[test]
fn the_same_weights_have_the_same_fingerprint_whoever_wrote_them() {
    let fingerprint = |file: &str, frames: usize| {
        let request =
            Request { classes: Some(4), frames: Some(frames), ..Request::new(models().join(file).to_str().unwrap()) };
        model::open(&request).unwrap().fingerprint
    };
    assert_eq!(fingerprint("hf-ast", 64), fingerprint("hf-ast-in-memory/weights.bin", 64));
    assert_eq!(fingerprint("hf-whisper", 80), fingerprint("ggml-whisper/weights.bin", 80));
    assert_eq!(fingerprint("hf-ast", 64), fingerprint("hf-ast", 40));
    assert_ne!(fingerprint("hf-ast", 64), fingerprint("hf-ssast", 64));
}
