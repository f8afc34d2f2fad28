//! Everything the screen depends on. Views read it, [`update`](crate::tui::update()) alone changes it.

use std::mem::Discriminant;

use super::{
    browser::Browser,
    clip_panel::ClipPanel,
    command_line::CommandLine,
    data::DataScreen,
    exporting::Exporting,
    known::Known,
    layers::Layers,
    listening::Listening,
    parameters::Parameters,
    preferences::Preferences,
    results::Results,
    review::Review,
    run_slot::RunSlot,
    scanning::Scanning,
    sessions::Sessions,
    sweep::SweepTable,
    ticket::{Ticket, Tickets},
};
use crate::{
    model::{Method, ModelConfig, Published},
    plot::{ChartView, Run, Side, XAxis},
    session::RunConfig,
    train::Request,
    tui::{
        input::{
            action::{Action, Screen},
            keymap::{Context, Keymap},
            pointer::Target,
        },
        terminal::graphics::Graphics,
        text,
        theme::Theme,
    },
};

/// Steps over which the training loss can be averaged; 0 as measured.
pub const SMOOTHING: [u32; 4] = [0, 10, 30, 100];

/// The action that a confirmed question triggers.
#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    /// Quit; what runs is stopped.
    Quit,
    /// Delete these sessions.
    Delete(Vec<std::path::PathBuf>),
    /// Delete this bookmark of a session.
    DeleteBookmark(std::path::PathBuf, Box<crate::live::Bookmark>),
    /// Remove an example: its class, and its place among the class's.
    RemoveExample(String, usize),
    /// Begin new runs on these sides.
    Anew(Vec<Side>),
    /// Have this run write again, onto a disk that was full.
    TryAgain(crate::tui::state::ticket::Ticket),
}

/// A panel over the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// The keys, scrolled by some lines.
    Help(u16),
    /// A question.
    Question {
        /// The question.
        question: String,
        /// What confirming means.
        detail: String,
        /// The confirmed action.
        then: Pending,
    },
    /// A command being typed.
    CommandLine(CommandLine),
    /// An export, being chosen or running.
    Export(Box<Exporting>),
}

/// A message at the bottom for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The message.
    pub text: String,
    /// Whether something went wrong.
    pub trouble: bool,
    /// When it disappears, ms since the Unix epoch.
    pub until_ms: u64,
}

/// The whole state of the workbench.
#[derive(Clone, Debug)]
pub struct App {
    /// The screen on show.
    pub screen: Screen,
    /// The side in focus.
    pub focus: Side,
    /// Both runs.
    pub slots: [RunSlot; 2],
    /// Commands that were run, the newest last.
    pub history: Vec<String>,
    /// The settings of the next run.
    pub setup: Request,
    /// The quantity along x.
    pub x: XAxis,
    /// Whether the loss axis is logarithmic.
    pub log: bool,
    /// Index into [`SMOOTHING`].
    pub smooth: usize,
    /// The step under the crosshair, shared by all screens.
    pub cursor: Option<u64>,
    /// The Layers screen.
    pub layers: Layers,
    /// The Parameters screen.
    pub parameters: Parameters,
    /// The pending request for the shape on the Parameters screen.
    pub shape_asked: Option<Ticket>,
    /// The Live screen.
    pub live: Listening,
    /// The Sessions screen.
    pub sessions: Sessions,
    /// The sweep on the Sessions screen, in place of the list.
    pub sweep: Option<SweepTable>,
    /// The Data screen.
    pub data: DataScreen,
    /// The Scan screen.
    pub scanning: Scanning,
    /// The Results screen.
    pub results: Results,
    /// The Review screen.
    pub review: Review,
    /// The browser in which something is being chosen, on the screen that it was opened on.
    pub browsing: Option<Browser>,
    /// The panel over the screen.
    pub overlay: Option<Overlay>,
    /// The message at the bottom.
    pub notice: Option<Notice>,
    /// All themes.
    pub themes: Vec<Theme>,
    /// The current theme.
    pub theme: usize,
    /// The graphics of the spectrogram.
    pub graphics: Graphics,
    /// Milliseconds since the Unix epoch, as of the last tick.
    pub now_ms: u64,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Cores that arithmetic may use.
    pub cores: usize,
    /// Whether to quit.
    pub quitting: bool,
    /// Sessions known from events and deletions, beside those on show.
    pub known: Known,
    /// Tickets of effects and runs.
    pub tickets: Tickets,
    /// Why the speaker failed, from the notice about it until a sound plays.
    pub speaker_problem: Option<String>,
    /// What is kept for the next start.
    pub preferences: Preferences,
    /// What keys mean.
    pub keys: Keymap,
    /// What the left button of the mouse was pressed on: a drag acts on nothing else.
    pub grabbed: Option<Discriminant<Target>>,
}

impl App {
    /// The workbench as it opens.
    pub fn new(setup: Request, themes: Vec<Theme>, size: (u16, u16)) -> Self {
        let shape = guess_shape(&setup.model);
        Self {
            screen: Screen::Train,
            focus: Side::A,
            slots: [RunSlot::new(Side::A, Method::aat()), RunSlot::new(Side::B, Method::full())],
            history: Vec::new(),
            setup,
            x: XAxis::Step,
            log: false,
            smooth: 1,
            cursor: None,
            layers: Layers::default(),
            parameters: Parameters::new(shape, Method::aat()),
            shape_asked: None,
            live: Listening::default(),
            sessions: Sessions::default(),
            sweep: None,
            data: DataScreen::default(),
            results: Results::default(),
            review: Review::default(),
            scanning: Scanning::default(),
            browsing: None,
            overlay: None,
            notice: None,
            themes,
            theme: 0,
            graphics: Graphics::default(),
            now_ms: 0,
            size,
            cores: 1,
            quitting: false,
            known: Known::default(),
            tickets: Tickets::default(),
            speaker_problem: None,
            preferences: Preferences::default(),
            keys: Keymap::default(),
            grabbed: None,
        }
    }

    /// The settings of a side's next run.
    pub fn setup_of(&self, side: Side) -> Request {
        let RunSlot { method, backbone, .. } = self.slot(side);
        let model = backbone.clone().unwrap_or_else(|| self.setup.model.clone());
        Request { model, method: *method, ..self.setup.clone() }
    }

    /// The backbone of the run on show, or of the next one.
    pub fn shown_backbone(&self, side: Side) -> String {
        self.slot(side).state.config.as_ref().map_or_else(|| self.setup_of(side).model, |config| config.model.clone())
    }

    /// Both sides' backbones, if they differ. An untouched side has none of its own beside a run.
    pub fn two_backbones(&self) -> Option<[String; 2]> {
        let touched = |slot: &RunSlot| !slot.is_empty() || slot.is_busy() || slot.backbone.is_some();
        if touched(&self.slots[0]) != touched(&self.slots[1]) && !self.slots.iter().all(RunSlot::is_empty) {
            return None;
        }
        let both = Side::BOTH.map(|side| self.shown_backbone(side));
        (both[0] != both[1]).then_some(both)
    }

    /// ` on box-ssl`, where the sides' backbones differ and a title has to name one.
    pub fn on_backbone(&self, side: Side) -> String {
        let name = |_| format!(" on {}", text::fit(&text::last_part(&self.shown_backbone(side)), 20));
        self.two_backbones().map_or_else(String::new, name)
    }

    /// The current theme.
    pub fn theme(&self) -> &Theme {
        &self.themes[self.theme.min(self.themes.len() - 1)]
    }

    /// A side's run slot.
    pub fn slot(&self, side: Side) -> &RunSlot {
        &self.slots[side.index()]
    }

    /// A side's run slot, to change.
    pub fn slot_mut(&mut self, side: Side) -> &mut RunSlot {
        &mut self.slots[side.index()]
    }

    /// The side whose run has this ticket: `None` if another run replaced it or its trainer is done with it.
    pub fn side_of(&self, run: Ticket) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.slot(*side).run.is_some_and(|running| running.ticket == run))
    }

    /// The side whose session Results shows: that in focus, or the other where that is empty.
    pub fn results_side(&self) -> Side {
        let other = self.focus.other();
        let has = |side: Side| self.slot(side).session.is_some();
        if !has(self.focus) && has(other) { other } else { self.focus }
    }

    /// The run slot in focus.
    pub fn focused(&self) -> &RunSlot {
        self.slot(self.focus)
    }

    /// The session that Results shows, else the one on the side in focus: Review looks for wrong labels in its data, and
    /// trains it again.
    pub fn reviewed(&self) -> Option<&RunConfig> {
        let shown = self.results.found().map(|found| &found.kept.config);
        shown.or(self.focused().state.config.as_deref()).filter(|config| config.pretrain.is_none())
    }

    /// The runs on show.
    pub fn runs(&self) -> Vec<Run<'_>> {
        self.slots.iter().filter_map(RunSlot::run).collect()
    }

    /// How curves are shown.
    pub fn view(&self) -> ChartView {
        ChartView {
            x: self.x,
            log: self.log,
            smooth: SMOOTHING[self.smooth],
            cursor: self.cursor,
            ..ChartView::default()
        }
    }

    /// The current graphics of the spectrogram: no picture is drawn under an overlay.
    pub fn graphics_now(&self) -> Graphics {
        match (self.graphics, &self.overlay) {
            (Graphics::Kitty, Some(Overlay::Help(_) | Overlay::Question { .. } | Overlay::Export(_))) => Graphics::Half,
            (graphics, _) => graphics,
        }
    }

    /// The contexts that a key is looked up in, in order.
    pub fn contexts(&self) -> Vec<Context> {
        let first = match self.overlay {
            Some(Overlay::Help(_)) => Context::Help,
            Some(Overlay::Question { .. }) => Context::Question,
            Some(Overlay::CommandLine(..)) => Context::CommandLine,
            Some(Overlay::Export(_)) => Context::Export,
            None => self.context(),
        };
        [first].into_iter().chain(first.behind().iter().copied()).collect()
    }

    /// The first context of the screen on show.
    pub fn context(&self) -> Context {
        match self.screen {
            _ if self.browser().is_some() => Context::Browser,
            Screen::Live => Context::In(self.live.panel),
            Screen::Sessions if self.sweep.is_some() => Context::Sweep,
            Screen::Review if self.review.typing.is_some() => Context::Naming,
            screen => Context::On(screen),
        }
    }

    /// The key of an action on the screen on show, for hints.
    pub fn key(&self, action: &Action) -> String {
        self.keys.name(self.context(), action)
    }

    /// The key of an action on another screen.
    pub fn key_on(&self, screen: Screen, action: &Action) -> String {
        self.keys.name(Context::On(screen), action)
    }

    /// Every clip panel: results find theirs by its ticket.
    pub fn clip_panels(&mut self) -> impl Iterator<Item = &mut ClipPanel> {
        [&mut self.data.clip, &mut self.scanning.clip, &mut self.results.clip, &mut self.review.clip].into_iter()
    }

    /// The browser, where it is on show: in place of the screen that it was opened on.
    pub fn browser(&self) -> Option<&Browser> {
        self.browsing.as_ref().filter(|browser| browser.screen == self.screen)
    }

    /// The clip panel of the screen on show, which its keys mean.
    pub fn clip_panel_mut(&mut self) -> Option<&mut ClipPanel> {
        if self.browser().is_some() { None } else { self.clip_panel_of(self.screen) }
    }

    /// The clip panel of a screen.
    pub fn clip_panel_of(&mut self, screen: Screen) -> Option<&mut ClipPanel> {
        match screen {
            Screen::Data => Some(&mut self.data.clip),
            Screen::Results => Some(&mut self.results.clip),
            Screen::Review => Some(&mut self.review.clip),
            Screen::Scan => Some(&mut self.scanning.clip),
            _ => None,
        }
    }

    /// Updates the Parameters screen to the focused side: its run's model, or that of its next run.
    pub fn refresh_parameters(&mut self) {
        self.shape_asked = None;
        let slot = self.focused();
        let shape = match &slot.state.config {
            Some(config) if config.method == slot.method => config.shape.clone(),
            _ => self.parameters.shape().clone(),
        };
        let method = slot.method;
        self.parameters.show(shape, method);
    }

    /// Whether quitting would stop a run.
    pub fn busy_sides(&self) -> Vec<Side> {
        Side::BOTH.into_iter().filter(|side| self.slot(*side).is_busy()).collect()
    }
}

/// The shape to count before anything is read from disk: AST of the size that was named, tiny otherwise.
fn guess_shape(model: &str) -> ModelConfig {
    if let Some(published) = Published::find(model) {
        return ModelConfig { classes: 10, ..published.shape() };
    }
    let ast = |size| ModelConfig::ast(size, 512, [16, 16], 10);
    ast(model).or_else(|| ast("tiny")).unwrap_or_else(|| unreachable!("AST has a tiny size"))
}
