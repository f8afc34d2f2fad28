//! `hf:ORG/NAME`: checkpoints from the Hugging Face hub, into the cache that its own tools share.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use hf_hub::{
    Cache, Repo, RepoType,
    api::{Progress, sync::ApiBuilder, sync::ApiError},
};
use sha2::{Digest, Sha256};

use super::ModelError;
use crate::{digits::hex, limits, regular};

/// The weights, the better form first; an index lists those in several files.
const WEIGHTS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
/// Names of the two forms in one file, for people.
const FORMS: [&str; 2] = [WEIGHTS[0], WEIGHTS[2]];
/// What says their shape and front end; not every repository has both.
const SETTINGS: [&str; 2] = ["config.json", "preprocessor_config.json"];

/// Gets the progress of a download.
pub trait Watcher {
    /// So many bytes of a file are here, of so many.
    fn downloaded(&mut self, file: &str, done: u64, total: u64);
}

/// A watcher that says nothing.
pub struct Silent;

impl Watcher for Silent {
    fn downloaded(&mut self, _file: &str, _done: u64, _total: u64) {}
}

/// Makes a watcher for each download.
type Watchers = fn() -> Box<dyn Watcher>;

/// Who watches downloads that begin inside other work.
static WATCHERS: OnceLock<Watchers> = OnceLock::new();

/// Gives every download of this process that begins inside other work a watcher. The first call counts.
pub fn watch(watchers: Watchers) {
    let _ = WATCHERS.set(watchers);
}

/// The watcher of a download that begins inside other work.
pub(super) fn watcher() -> Box<dyn Watcher> {
    WATCHERS.get().map_or_else(|| Box::new(Silent) as Box<dyn Watcher>, |make| make())
}

/// Where to download from, and into which cache.
#[derive(Debug)]
pub struct Hub {
    /// `https://huggingface.co`, or a mirror.
    pub endpoint: String,
    /// The folder of its tools: `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// For repositories that ask who wants them.
    pub token: Option<String>,
    /// Only what is in the cache.
    pub offline: bool,
}

impl Hub {
    /// By the variables of Hugging Face's own tools: `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` (or the token that its login wrote),
    /// `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let cache = Cache::from_env();
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token: variable("HF_TOKEN").or_else(|| cache.token()),
            cache: cache.path().clone(),
            offline: variable("HF_HUB_OFFLINE")
                .is_some_and(|value| !matches!(value.trim(), "0" | "false" | "no" | "off")),
        }
    }

    /// The folder of `ORG/NAME` or `ORG/NAME@REVISION`, downloaded as far as it is not in the cache yet.
    ///
    /// # Errors
    /// When the name is none, nothing is there, or what came is not what was sent.
    pub fn fetch(&self, repository: &str, watcher: &mut dyn Watcher) -> Result<PathBuf, ModelError> {
        let repo = repo(repository)?;
        let cached = Cache::new(self.cache.clone()).repo(repo.clone());
        let whole = |weights: &PathBuf| parts(weights).iter().all(|part| cached.get(part).is_some());
        if let Some(weights) = WEIGHTS.iter().filter_map(|name| cached.get(name)).find(whole) {
            return Ok(parent(&weights));
        }
        if self.offline {
            return Err(self.absent(repository, "it is not in the cache, and HF_HUB_OFFLINE forbids to download it"));
        }
        let api = ApiBuilder::new()
            .with_cache_dir(self.cache.clone())
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_user_agent("aat-tui", env!("CARGO_PKG_VERSION"))
            .with_retries(3)
            .build()
            .map_err(|why| self.absent(repository, &why.to_string()))?
            .repo(repo);
        let mut get = |name: &str| {
            let path = api.download_with_progress(name, Bar { watcher, file: name.to_owned(), done: 0, total: 0 })?;
            verify(&path).map_err(ApiError::IoError)?;
            Ok(path)
        };
        // Settings first: with the weights the cache counts as complete.
        for name in SETTINGS {
            match get(name) {
                Ok(_) => {}
                Err(why) if is_absent(&why) => {}
                Err(why) => return Err(self.absent(repository, &described(&why))),
            }
        }
        let mut last = String::new();
        for name in WEIGHTS {
            match get(name) {
                Ok(path) => {
                    for part in parts(&path) {
                        get(&part).map_err(|why| self.absent(repository, &format!("{part}: {}", described(&why))))?;
                    }
                    return Ok(parent(&path));
                }
                Err(why) if is_absent(&why) => last = format!("it has no {}", FORMS.join(" and no ")),
                Err(why) => return Err(self.absent(repository, &described(&why))),
            }
        }
        Err(self.absent(repository, &last))
    }

    fn absent(&self, repository: &str, problem: &str) -> ModelError {
        let name = repository.split('@').next().unwrap_or(repository);
        let remedy = format!(
            "without a network, download {}, {} and {} from {}/{name} elsewhere, put them into one folder here, and give that \
             folder as the model",
            WEIGHTS[0], SETTINGS[0], SETTINGS[1], self.endpoint
        );
        ModelError::checkpoint(Path::new(&format!("hf:{repository}")), problem, remedy)
    }
}

/// A repository's name: letters, digits and `-_.`, with one slash at most, and a revision after `@`.
fn repo(given: &str) -> Result<Repo, ModelError> {
    let (name, revision) = given.split_once('@').unwrap_or((given, "main"));
    let plain = |text: &str| {
        !text.is_empty()
            && !text.contains("..")
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 || !parts.into_iter().all(plain) || !plain(revision) {
        let hint = "write hf:ORG/NAME, as in hf:MIT/ast-finetuned-audioset-10-10-0.4593".into();
        return Err(ModelError::Unknown { what: "repository", given: given.to_owned(), hint });
    }
    Ok(Repo::with_revision(name.to_owned(), RepoType::Model, revision.to_owned()))
}

/// The files that an index of weights lists; none of weights in one file. What cannot be read lists nothing, which
/// opening it shows it.
fn parts(weights: &Path) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    if weights.extension().is_none_or(|extension| extension != "json") {
        return Vec::new();
    }
    let index: Option<Index> =
        regular::read_up_to(weights, limits::CHECKPOINT_INDEX).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let listed: BTreeSet<String> = index.into_iter().flat_map(|index| index.weight_map.into_values()).collect();
    listed.into_iter().filter(|name| Path::new(name).file_name().is_some_and(|file| file == name.as_str())).collect()
}

fn parent(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).to_owned()
}

fn is_absent(why: &ApiError) -> bool {
    matches!(why, ApiError::RequestError(request) if matches!(**request, ureq::Error::Status(404, _)))
}

fn described(why: &ApiError) -> String {
    match why {
        ApiError::RequestError(request) => match &**request {
            ureq::Error::Status(401 | 403, _) => "it asks who you are: set HF_TOKEN to a token that may read it".into(),
            ureq::Error::Status(code, _) => format!("the server answered {code}"),
            ureq::Error::Transport(transport) => format!("no answer ({})", transport.kind()),
        },
        other => other.to_string(),
    }
}

/// Large files are in the cache under their own SHA-256: what came must have it, or is thrown away.
fn verify(path: &Path) -> io::Result<()> {
    let blob = fs::canonicalize(path)?;
    let promised = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if promised.len() != 64 || !promised.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let mut hash = Sha256::new();
    io::copy(&mut regular::open(&blob)?, &mut hash)?;
    let found = hex(hash.finalize());
    if found.eq_ignore_ascii_case(promised) {
        return Ok(());
    }
    fs::remove_file(&blob)?;
    fs::remove_file(path)?;
    Err(io::Error::other("what came is damaged (its SHA-256 differs) and was thrown away; try again"))
}

struct Bar<'a> {
    watcher: &'a mut dyn Watcher,
    file: String,
    done: u64,
    total: u64,
}

impl Progress for Bar<'_> {
    fn init(&mut self, size: usize, _file: &str) {
        (self.done, self.total) = (0, size as u64);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        self.watcher.downloaded(&self.file, self.done, self.total);
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    const INDEX: &[u8] =
        br#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;

    /// A hub with a repository of two files, and one of weights in parts; `damage` changes what is sent, `seen` collects
    /// the requests.
    fn serve(damage: bool) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let mut seen = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).unwrap() == 0 {
                        break;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                if request.starts_with("GET /stop") {
                    return seen;
                }
                let file = request.split(' ').nth(1).unwrap().rsplit('/').next().unwrap().to_owned();
                let in_parts = request.contains("/parts/");
                let content: &[u8] = match file.as_str() {
                    "model.safetensors" if !in_parts => b"the weights themselves",
                    "model.safetensors.index.json" if in_parts => INDEX,
                    "model-00001-of-00002.safetensors" if in_parts => b"the first half",
                    "model-00002-of-00002.safetensors" if in_parts => b"the other half",
                    "config.json" => b"{}",
                    _ => {
                        stream
                            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                            .unwrap();
                        continue;
                    }
                };
                let lower = request.to_lowercase();
                let range = lower.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap_or("0-");
                let (from, to) = range.trim().split_once('-').unwrap();
                let from: usize = from.parse().unwrap();
                let to = to.parse().map_or(content.len(), |to: usize| to + 1);
                let digest: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
                let mut body = content[from..to].to_vec();
                if damage && to > 1 {
                    body.fill(b'x');
                }
                seen.push(format!("{file} {range}"));
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\nETag: \"{digest}\"\r\nX-Repo-Commit: abc\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    to - 1,
                    content.len(),
                    body.len()
                );
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(&body).unwrap();
            }
            seen
        });
        (endpoint, served)
    }

    fn stop(endpoint: &str, served: thread::JoinHandle<Vec<String>>) -> Vec<String> {
        let mut stream = std::net::TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
        stream.write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
        served.join().unwrap()
    }

    fn hub(endpoint: &str, cache: &Path, offline: bool) -> Hub {
        Hub { endpoint: endpoint.into(), cache: cache.into(), token: None, offline }
    }

    struct Last(u64, u64);
    impl Watcher for Last {
        fn downloaded(&mut self, _file: &str, done: u64, total: u64) {
            *self = Self(done, total);
        }
    }

    #[test]
    fn downloads_once_then_needs_no_network() {
        let cache = tempfile::tempdir().unwrap();
        let (endpoint, served) = serve(false);
        let mut watcher = Last(0, 0);
        let folder = hub(&endpoint, cache.path(), false).fetch("org/name", &mut watcher).unwrap();
        assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), b"the weights themselves");
        assert!(folder.join("config.json").is_file());
        assert_eq!((watcher.0, watcher.1), (22, 22));
        let asked = stop(&endpoint, served);
        assert!(asked.iter().any(|request| request == "model.safetensors 0-"), "{asked:?}");
        assert_eq!(hub("http://127.0.0.1:1", cache.path(), true).fetch("org/name", &mut Silent).unwrap(), folder);
    }

    #[test]
    fn every_part_of_weights_in_several_files_is_downloaded() {
        let cache = tempfile::tempdir().unwrap();
        let (endpoint, served) = serve(false);
        let folder = hub(&endpoint, cache.path(), false).fetch("org/parts", &mut Silent).unwrap();
        assert_eq!(fs::read(folder.join("model-00002-of-00002.safetensors")).unwrap(), b"the other half");
        stop(&endpoint, served);
        let offline = || hub("http://127.0.0.1:1", cache.path(), true).fetch("org/parts", &mut Silent);
        assert_eq!(offline().unwrap(), folder);
        // With a part missing it does not count as being there.
        fs::remove_file(folder.join("model-00001-of-00002.safetensors")).unwrap();
        assert!(offline().is_err());
    }

    #[test]
    fn goes_on_where_it_was_cut_off() {
        let cache = tempfile::tempdir().unwrap();
        let (endpoint, served) = serve(false);
        let digest: String = Sha256::digest(b"the weights themselves").iter().map(|b| format!("{b:02x}")).collect();
        let blobs = cache.path().join("models--org--name/blobs");
        fs::create_dir_all(&blobs).unwrap();
        // `.part`: what hf-hub names a file that is not whole yet.
        fs::write(blobs.join(format!("{digest}.part")), b"the wei").unwrap();
        let folder = hub(&endpoint, cache.path(), false).fetch("org/name", &mut Silent).unwrap();
        assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), b"the weights themselves");
        let asked = stop(&endpoint, served);
        assert!(asked.iter().any(|request| request == "model.safetensors 7-"), "{asked:?}");
    }

    #[test]
    fn damage_is_found_and_nothing_of_it_kept() {
        let cache = tempfile::tempdir().unwrap();
        let (endpoint, served) = serve(true);
        let why = hub(&endpoint, cache.path(), false).fetch("org/name", &mut Silent).unwrap_err().to_string();
        assert!(why.contains("SHA-256"), "{why}");
        stop(&endpoint, served);
        assert!(hub("", cache.path(), true).fetch("org/name", &mut Silent).is_err());
    }

    #[test]
    fn without_a_network_it_says_which_file_to_put_where() {
        let cache = tempfile::tempdir().unwrap();
        for offline in [true, false] {
            let why =
                hub("http://127.0.0.1:1", cache.path(), offline).fetch("MIT/ast", &mut Silent).unwrap_err().to_string();
            assert!(why.contains("hf:MIT/ast") && why.contains("model.safetensors, config.json"), "{why}");
        }
    }

    #[test]
    fn names_that_are_none() {
        for name in ["", "a/b/c", "../etc", "a/..", "a b/c", "org/name@../x", "http://x/y"] {
            assert!(matches!(repo(name), Err(ModelError::Unknown { .. })), "{name}");
        }
        assert_eq!(repo("MIT/ast-10.0@v1").unwrap().revision(), "v1");
    }
}
