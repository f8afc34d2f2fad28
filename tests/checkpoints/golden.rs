//! Hidden states after every block and logits, of the oracle and of every engine, against the makers' own code
//! (`tests/golden/make_models.py`).

use std::path::{Path, PathBuf};

use aat_tui::model::{
    self, Compute, Engine, Features, MemoryOptions, Method, ModelConfig, ParamStore, Request,
    checkpoint::{Checkpoint, Dtype, Format, open_tensors},
    engine_by,
};
use candle_core::{DType, Tensor, Var};

use crate::oracle::Oracle;

/// Largest difference that the order of additions in float32 may make; what grows too large for it is in float64, and
/// an engine that knows float32 only may then be off by as much of the largest value.
const TOLERANCE: f32 = 2e-4;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models")
}

/// Every engine by name, and whether it computes in double precision too.
fn engines(config: &ModelConfig, method: Method) -> Vec<(&'static str, bool, Box<dyn Engine>)> {
    let by = |compute| engine_by(compute, config, method, MemoryOptions::default()).unwrap();
    vec![("cpu", false, by(Compute::Cpu)), ("accelerator", true, by(Compute::Accelerator))]
}

/// Opens a case as its metadata says, by a method that must change nothing before it is trained. Gives each engine's
/// largest difference, the oracle's first.
fn agrees(case: &Path, method: Option<Method>) -> Vec<(&'static str, f32)> {
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
    let double = (expected.get("hidden.0").unwrap().dtype == Dtype::F64).then(|| in_double(&opened.store));
    let blocks: Vec<usize> = (1..=opened.config.depth).collect();
    let mut wanted: Vec<Vec<f32>> = (0..blocks.len()).map(|block| read(&format!("hidden.{block}"))).collect();
    wanted.extend(has_logits.then(|| read("logits")));

    let compare = |engine: &'static str, exact: bool, got: Vec<Vec<f32>>| {
        let mut most = 0f32;
        for (i, (got, want)) in got.iter().zip(&wanted).enumerate() {
            assert_eq!(got.len(), want.len(), "{}, {engine}: {i}", case.display());
            let size = want.iter().fold(1f32, |most, x| most.max(x.abs()));
            let bound = if exact { TOLERANCE } else { TOLERANCE * size };
            let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < bound, "{}, {engine}: hidden state or logits {i} are off by {worst}", case.display());
            most = most.max(worst);
        }
        (engine, most)
    };
    let store = double.as_ref().unwrap_or(&opened.store);
    let pass = Oracle::new(&opened.config, opened.method, store).forward(&input).unwrap();
    let values = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let got = pass.states.iter().chain([&pass.logits]).map(values).collect();
    let mut rows = vec![compare("oracle", true, got)];
    for (name, both, mut engine) in engines(&opened.config, opened.method) {
        let store = if both { store } else { &opened.store };
        let mut got = engine.states(store, &input, &blocks).unwrap();
        got.push(engine.logits(store, &input).unwrap());
        rows.push(compare(name, both || double.is_none(), got));
    }
    rows
}

/// Prints the largest difference of each engine for each case.
fn table(rows: &[(PathBuf, Vec<(&str, f32)>)]) {
    let names: Vec<_> = rows[0].1.iter().map(|(name, _)| format!("{name:>12}")).collect();
    eprintln!("{:<20}{}", "largest difference", names.concat());
    for (case, row) in rows {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        eprintln!("{name:<20}{}", row.iter().map(|(_, worst)| format!("{worst:>12.1e}")).collect::<String>());
    }
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
    let rows: Vec<_> = cases
        .into_iter()
        .map(|case| {
            agrees(&case, Some(Method::aat()));
            let row = agrees(&case, None);
            (case, row)
        })
        .collect();
    table(&rows);
}

#[test]
#[ignore = "slow: make test-slow"]
fn published_shapes_agree() {
    let Some(folder) = std::env::var_os("AAT_TUI_GOLDEN_MODELS") else {
        eprintln!("skipped: AAT_TUI_GOLDEN_MODELS names no folder of make_models.py --large");
        return;
    };
    let rows: Vec<_> = cases(Path::new(&folder)).into_iter().map(|case| (case.clone(), agrees(&case, None))).collect();
    table(&rows);
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
