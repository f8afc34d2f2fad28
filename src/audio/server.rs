//! Queries the sound server about microphones: PulseAudio, or PipeWire in its place.
//!
//! ALSA's default device forwards to the server. When the microphone behind it is unplugged, the server keeps the
//! stream open and silently connects it to another source, perhaps to what the speakers play; cpal does not notice. So
//! the server itself is queried. Without a server, as on other systems, nothing is reported.

use std::sync::{Arc, Mutex, PoisonError};

/// The server's microphones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Name of the source that the default device records from now; it may be a speaker's output.
    pub default: String,
    /// That source's name to show.
    pub description: String,
    /// Names of the real microphones, without speakers' outputs.
    pub microphones: Vec<String>,
}

/// Watches the server on a thread of its own until dropped.
#[derive(Clone, Debug)]
pub struct Watch {
    newest: Arc<Mutex<Option<Standing>>>,
}

impl Watch {
    /// Begins to watch. The first result comes a little later.
    pub fn start() -> Self {
        let newest = Arc::new(Mutex::new(None));
        system::watch(&newest);
        Self { newest }
    }

    /// The state less than a second ago; `None` when no server is known.
    pub fn newest(&self) -> Option<Standing> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::{
        sync::{Arc, Mutex, PoisonError},
        thread,
        time::Duration,
    };

    use pulseaudio::Client;
    use tokio::runtime::Builder;

    use super::Standing;

    /// How often the server is queried: a change must be reported within 2 s.
    const PERIOD: Duration = Duration::from_millis(400);
    /// How long it may take to respond.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// Time until a missing server is looked for again.
    const ABSENCE: Duration = Duration::from_secs(2);

    pub(super) fn watch(newest: &Arc<Mutex<Option<Standing>>>) {
        let newest = Arc::downgrade(newest);
        let Ok(runtime) = Builder::new_current_thread().enable_time().build() else { return };
        // Without a thread the server's state is unknown, which is allowed.
        let _ = thread::Builder::new().name("sound-server".into()).spawn(move || {
            let mut client: Option<Client> = None;
            while newest.strong_count() > 0 {
                client = client.or_else(|| Client::from_env(c"aat-tui").ok());
                let answer = client.as_ref().and_then(|client| {
                    runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(client)).await.ok().flatten() })
                });
                if answer.is_none() {
                    client = None;
                }
                if let Some(newest) = newest.upgrade() {
                    *newest.lock().unwrap_or_else(PoisonError::into_inner) = answer;
                }
                thread::sleep(if client.is_some() { PERIOD } else { ABSENCE });
            }
        });
    }

    async fn ask(client: &Client) -> Option<Standing> {
        let sources = client.list_sources().await.ok()?;
        let default = client.server_info().await.ok()?.default_source_name.unwrap_or_default();
        let chosen = sources.iter().find(|source| source.name == default);
        let description = chosen.and_then(|source| source.description.as_ref()).unwrap_or(&default);
        let real = sources.iter().filter(|source| source.monitor_of_sink_index.is_none());
        Some(Standing {
            default: default.to_string_lossy().into_owned(),
            description: description.to_string_lossy().into_owned(),
            microphones: real.map(|source| source.name.to_string_lossy().into_owned()).collect(),
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn watch(_: &std::sync::Arc<std::sync::Mutex<Option<super::Standing>>>) {}
}
