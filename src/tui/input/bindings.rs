//! The one table of keys: it drives dispatch, the footer, the help and the table in `docs/keys.md`.

use crossterm::event::KeyCode;
use tui_input::InputRequest as Edit;

use super::{
    action::{Action, LivePanel, Move, Screen, TogetherView, Verdict},
    choice::Choice,
    keys::{Binding, Context, Group, ctrl, ctrl_key, key, letter},
};
use crate::plot::Side;

macro_rules! bindings {
    ($($context:expr => { $([$($key:expr),+] $action:expr, $help:literal $(, $footer:literal)?;)* })*) => {
        &[$(Group {
            context: $context,
            rows: &[$(Binding {
                keys: &[$($key),+],
                action: || $action,
                help: $help,
                footer: bindings!(@footer $($footer)?),
            }),*],
        }),*]
    };
    (@footer) => { None };
    (@footer $footer:literal) => { Some($footer) };
}

const TRAIN: Context = Context::On(Screen::Train);
const LAYERS: Context = Context::On(Screen::Layers);
const PARAMETERS: Context = Context::On(Screen::Parameters);
const LIVE: Context = Context::On(Screen::Live);
const SOUND: Context = Context::In(LivePanel::Sound);
const DESK: Context = Context::In(LivePanel::Desk);
const BOOKMARKS: Context = Context::In(LivePanel::Bookmarks);
const TEACH: Context = Context::In(LivePanel::Teach);
const SESSIONS: Context = Context::On(Screen::Sessions);
const DATA: Context = Context::On(Screen::Data);
const RESULTS: Context = Context::On(Screen::Results);
const REVIEW: Context = Context::On(Screen::Review);
const SCAN: Context = Context::On(Screen::Scan);

/// Every key of the workbench, by context.
pub static GROUPS: &[Group] = bindings! {
    TRAIN => {
        [key(KeyCode::Enter), letter('r')] Action::Start, "start the run in focus, or resume it", "start";
        [letter('a')] Action::Anew, "begin a new session on the side in focus";
        [letter('b')] Action::StartBoth, "start or resume both, paired: same seed and batches", "both";
        [letter(' ')] Action::Pause, "pause, or continue", "pause";
        [letter('m')] Action::NextMethod, "the next method for the run in focus", "method";
        [letter('n')] Action::NextBackbone, "the next built-in backbone for the run in focus";
        [letter('v')] Action::Versus, "start the method on both built-in backbones, paired";
        [letter('M')] Action::Browse(Choice::Model), "choose the backbone of both in the browser";
        [letter('R')] Action::Browse(Choice::Recipe), "choose the recipe in the browser";
        [letter('x')] Action::NextX, "curves against step, wall-clock or epoch", "x axis";
        [letter('l')] Action::ToggleLog, "loss on a logarithmic axis, or not", "log";
        [letter('s')] Action::NextSmooth, "training loss as is, or averaged over 10, 30 or 100 steps", "smooth";
        [letter('e')] Action::Export(None), "write the curves to an SVG file", "export";
        [letter('E')] Action::ExportSession, "export the session in focus: one ONNX file, or a folder";
        [letter('S')] Action::Stop, "stop the run in focus: Enter resumes it";
        [key(KeyCode::Left)] Action::Move(Move::Left), "crosshair back, from the newest step";
        [key(KeyCode::Right)] Action::Move(Move::Right), "crosshair forward";
        [key(KeyCode::Home)] Action::Move(Move::Home), "crosshair to the first step";
        [key(KeyCode::End)] Action::Move(Move::End), "hide the crosshair";
    }
    LAYERS => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the block above", "block";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the block below";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "crosshair back", "step";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "crosshair forward";
        [key(KeyCode::Home)] Action::Move(Move::Home), "crosshair to the first step";
        [key(KeyCode::End)] Action::Move(Move::End), "hide the crosshair";
        [letter(' ')] Action::Pause, "pause, or continue", "pause";
        [letter('x')] Action::Toggle, "norms, or their ratio to the residual stream", "ratio";
    }
    PARAMETERS => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the row above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the row below", "move";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "open the branch", "open";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "close the branch, or go to the one around it", "close";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first row";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last row";
        [key(KeyCode::Enter), letter(' ')] Action::Toggle, "open or close the branch";
        [letter('m')] Action::NextMethod, "the next method: the numbers change at once", "method";
        [letter('n')] Action::NextBackbone, "the next built-in backbone";
        [letter('M')] Action::Browse(Choice::Model), "choose a backbone in the browser";
    }
    LIVE => {
        [letter('r'), key(KeyCode::Enter)] Action::Listen(None), "listen to the microphone, or stop listening", "listen";
        [letter('F')] Action::Browse(Choice::Sound), "choose a sound file to listen to in the browser";
        [letter('f'), letter(' ')] Action::Freeze, "freeze the spectrogram, or continue it", "freeze";
        [letter('b')] Action::Bookmark, "bookmark the last seconds, with the predictions of both", "bookmark";
        [letter('d')] Action::Panel(LivePanel::Desk), "the mixing desk of the side in focus, or back to the sound", "desk";
        [letter(',')] Action::Scrub(-1), "in a file: back by a twentieth of it";
        [letter('.')] Action::Scrub(1), "in a file: forward by a twentieth of it";
        [letter('B')] Action::Panel(LivePanel::Bookmarks), "the bookmarks of the side in focus, or back to the sound", "bookmarks";
        [letter('T')] Action::Panel(LivePanel::Teach), "teach new classes, or back to the sound", "teach";
        [key(KeyCode::Esc)] Action::Panel(LivePanel::Sound), "back to the sound";
    }
    SOUND => {
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "cursor back in time, over a frozen spectrogram", "cursor";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "cursor forward in time";
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "cursor to higher frequencies";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "cursor to lower frequencies";
    }
    DESK => {
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "the block before", "block";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "the block after";
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "its Spatial Adapter";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "its MLP Adapter";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first block";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last block";
        [letter('+'), letter('=')] Action::Turn(1), "more of this adapter, by a tenth", "more";
        [letter('-')] Action::Turn(-1), "less of it", "less";
        [letter('m'), letter('M')] Action::Mute, "mute it, or not", "mute";
        [letter('s'), letter('S')] Action::Solo, "solo: only adapters in solo are active", "solo";
        [letter('0')] Action::ResetDesk, "set every fader back to 1.0", "reset";
        [letter('w')] Action::SaveDesk, "save the desk with its session, for eval --gains saved", "save";
        [letter('o')] Action::LoadDesk, "open the desk that was saved", "load";
    }
    BOOKMARKS => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the bookmark above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the bookmark below", "move";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the newest bookmark";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the oldest bookmark";
        [key(KeyCode::Enter)] Action::Replay, "replay it through every checkpoint that the session has", "replay";
        [letter('R')] Action::ReviewThese, "review the bookmarks: decide about each by ear", "review";
        [letter('x'), key(KeyCode::Delete)] Action::DeleteBookmark, "delete it, after a question", "delete";
    }
    TEACH => {
        [letter(' ')] Action::Record, "record examples of this class: press or hold the key", "record";
        [letter('a')] Action::Begin("class "), "add a class", "class";
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the class above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the class below";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "the example before";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "the example after";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first example";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last example";
        [letter('x'), key(KeyCode::Delete)] Action::RemoveExample, "remove this example, after a question", "remove";
        [key(KeyCode::Enter)] Action::Learn, "train AAT on them in this side, then listen with it", "learn";
    }
    SESSIONS => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the session above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the session below", "move";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the newest session";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the oldest session";
        [key(KeyCode::Enter)] Action::OpenSession, "open it in the side in focus and look at it on Train", "open";
        [letter('a')] Action::ChooseSession(Side::A), "make it A ●: for comparison, and for Live", "as A";
        [letter('b')] Action::ChooseSession(Side::B), "make it B ▲", "as B";
        [letter('r')] Action::ResumeSession, "resume its training from the last checkpoint", "resume";
        [letter('/')] Action::Begin("filter "), "list only sessions with these words, or #tags", "filter";
        [letter('s')] Action::SortSessions, "newest first, by name, method or data, or the best first", "sort";
        [letter(' ')] Action::MarkSession, "mark it for what concerns several, or not", "mark";
        [letter('*')] Action::MarkAll, "mark every session on show, or none";
        [letter('o')] Action::Together(TogetherView::Curves), "the curves of the marked sessions in one chart", "curves";
        [letter('c')] Action::Together(TogetherView::Results), "their results over folds; paired differences to this one", "compare";
        [letter('n')] Action::BeginNote, "note a text about it, or about the marked ones", "note";
        [letter('#')] Action::Begin("tag "), "tag it, or the marked ones; -word removes a tag", "tag";
        [letter('d'), key(KeyCode::Delete)] Action::DeleteSession, "delete it, or the marked ones, after a question", "delete";
        [letter('z')] Action::Archive, "archive it, or the marked ones: off the list; or restore";
        [letter('Z')] Action::ShowArchived, "list archived sessions too, or not";
        [letter('E')] Action::ExportSession, "export it: one ONNX file, or a folder", "export";
        [key(KeyCode::Esc)] Action::LeaveSessions, "close the curves, else remove the filter, else the marks";
        [letter('u')] Action::Refresh, "read the list again";
        [letter('w')] Action::WatchSweep(None), "watch the sweep whose sessions these are";
    }
    Context::Sweep => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the task above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the task below", "move";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first task";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last task";
        [key(KeyCode::Enter)] Action::OpenSession, "open its session in this side: its curves on Train", "curves";
        [letter('a')] Action::ChooseSession(Side::A), "make its session A ●", "as A";
        [letter('b')] Action::ChooseSession(Side::B), "make its session B ▲", "as B";
        [letter('f')] Action::NextFilter, "list only tasks in one state, or all", "only";
        [key(KeyCode::Esc), letter('w')] Action::LeaveSweep, "back to the list of sessions", "sessions";
    }
    DATA => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the row above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the row below", "move";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first row";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last row";
        [key(KeyCode::Enter)] Action::Choose, "the clips of the class, the clip of the problem", "open";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "the clips of the class";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "back to the classes";
        [key(KeyCode::Esc)] Action::Back, "back to the classes", "back";
        [letter('b')] Action::Browse(Choice::Data), "choose other data in the browser", "browse";
        [letter('s')] Action::SortClips, "clips in the order of the data, by length or by level", "sort";
        [letter('c')] Action::CheckData, "check the data: decode every clip; again: stop", "check";
        [letter('u')] Action::Refresh, "read the data again";
    }
    SCAN => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the row above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the row below", "move";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first row";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last row";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "the detections of the class";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "back to the classes";
        [key(KeyCode::Enter)] Action::Choose, "the detections of the class; play the detection", "open";
        [key(KeyCode::Esc)] Action::Back, "back to the classes";
        [letter('+'), letter('=')] Action::Threshold(1), "raise the threshold of what is listed", "threshold";
        [letter('-')] Action::Threshold(-1), "lower it, as far as scores are kept";
        [letter('R')] Action::ReviewThese, "review the detections listed: decide about each by ear", "review";
        [letter('w')] Action::WriteScan, "write the tables at this threshold", "write";
        [letter('S')] Action::StopScan, "stop the scan: what is done is kept", "stop";
        [letter('b')] Action::Browse(Choice::Recordings), "choose recordings to scan in the browser";
    }
    RESULTS => {
        [key(KeyCode::Enter)] Action::Choose, "open a cell of the matrix to its clips; there, play", "open";
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the row above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the row below";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "the answer before; from the clips back to the matrix";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "the answer after";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first row";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last row";
        [letter('n')] Action::NextConfusion, "the next confusion, the most frequent first", "next";
        [letter('c')] Action::AllClips, "list all clips", "all clips";
        [key(KeyCode::Esc)] Action::Back, "back to the matrix";
        [letter('s')] Action::SortClips, "clips by loss, by margin, or by disagreement of A and B", "sort";
        [letter('R')] Action::ReviewThese, "review the wrong ones of these clips", "review";
        [letter('L')] Action::Alike, "review the clips that are most like this one";
        [letter('e')] Action::ExportErrors, "write every clip with its answer to a CSV file", "CSV";
        [letter('C')] Action::Calibrate, "calibrate the session, or remove its calibration";
        [letter('u')] Action::Refresh, "read it again";
    }
    REVIEW => {
        [key(KeyCode::Esc)] Action::Back, "back to where the list comes from", "back";
        [letter('1')] Action::Decide(Verdict::Class(0)), "the first class offered: the label as it is", "decide";
        [letter('2')] Action::Decide(Verdict::Class(1)), "the second class offered, and so on";
        [letter('3')] Action::Decide(Verdict::Class(2)), "the third";
        [letter('4')] Action::Decide(Verdict::Class(3)), "the fourth";
        [letter('5')] Action::Decide(Verdict::Class(4)), "the fifth";
        [letter('6')] Action::Decide(Verdict::Class(5)), "the sixth";
        [letter('7')] Action::Decide(Verdict::Class(6)), "the seventh";
        [letter('8')] Action::Decide(Verdict::Class(7)), "the eighth";
        [letter('9')] Action::Decide(Verdict::Class(8)), "the ninth; without a clip, digits lead to screens";
        [key(KeyCode::Backspace)] Action::UndoDecision, "take the last decision back", "undo";
        [letter('a')] Action::Decide(Verdict::Yes), "yes: what is proposed", "yes";
        [letter('x')] Action::Decide(Verdict::No), "not this class; of several, not what is proposed", "no";
        [letter('/')] Action::TypeClass, "type the name of a class", "type";
        [letter('-')] Action::Decide(Verdict::Background), "none of the classes", "none";
        [letter(' ')] Action::Decide(Verdict::Unsure), "unsure: the label stays", "unsure";
        [letter('r')] Action::PlayAgain, "play it again", "again";
        [key(KeyCode::Right), letter('n')] Action::Skip, "the next clip, without a decision";
        [key(KeyCode::Left)] Action::Move(Move::Left), "the clip before";
        [key(KeyCode::Home)] Action::Move(Move::Home), "the first clip";
        [key(KeyCode::End)] Action::Move(Move::End), "the end of the list";
        [letter('T')] Action::TrainAgain, "train again with these decisions, on the other side", "train";
        [letter('G')] Action::TrainOn, "the same, going on from this session's own weights";
        [letter('L')] Action::Alike, "the clips that are most like this one, as the next list";
        [letter('e')] Action::SearchErrors, "look for labels that are likely wrong, or stop that", "search";
    }
    Context::Naming => {
        [key(KeyCode::Enter)] Action::Confirm, "take the first class that fits", "take";
        [key(KeyCode::Esc), ctrl('c')] Action::Cancel, "none of them", "never mind";
        [key(KeyCode::Backspace), ctrl('h')] Action::Erase, "delete the last letter";
    }
    Context::Clip => {
        [letter(' '), letter('p')] Action::PlayClip, "play the clip, or stop it", "play";
        [letter('o')] Action::SwitchSound, "the original, or what the model gets of it", "original";
        [letter(',')] Action::Scrub(-1), "back by a twentieth of the clip";
        [letter('.')] Action::Scrub(1), "forward by a twentieth of the clip";
        [letter('r')] Action::LoopClip, "repeat it, or not";
        [letter('[')] Action::Louder(-1), "softer";
        [letter(']')] Action::Louder(1), "louder";
    }
    Context::Browser => {
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "the row above";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "the row below", "move";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::PageDown)] Action::Move(Move::PageDown), "a page down";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first row";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last row";
        [key(KeyCode::Enter)] Action::Choose, "choose it; open a folder that is not what is chosen", "choose";
        [key(KeyCode::Right), letter('l')] Action::Move(Move::Right), "open the folder", "open";
        [key(KeyCode::Left), letter('h')] Action::Move(Move::Left), "the folder above", "up";
        [key(KeyCode::Esc), letter('b')] Action::Back, "leave the browser", "leave";
    }
    Context::Everywhere => {
        [letter('1')] Action::Show(Screen::Train), "Train: both runs side by side";
        [letter('2')] Action::Show(Screen::Layers), "Layers: what the adapters do, block by block";
        [letter('3')] Action::Show(Screen::Parameters), "Parameters: what trains and what is frozen";
        [letter('4')] Action::Show(Screen::Live), "Live: the sound and its classes";
        [letter('5')] Action::Show(Screen::Sessions), "Sessions: all runs";
        [letter('6')] Action::Show(Screen::Data), "Data: classes, clips and problems, before training";
        [letter('7')] Action::Show(Screen::Results), "Results: what a session gets wrong";
        [letter('8')] Action::Show(Screen::Review), "Review: clips to decide about";
        [letter('9')] Action::Show(Screen::Scan), "Scan: what a model finds in recordings";
        [key(KeyCode::Tab), key(KeyCode::BackTab)] Action::NextFocus, "move the focus to the other run", "side";
        [letter('t')] Action::NextTheme, "the next theme", "theme";
        [letter(':')] Action::CommandLine, "type a command (:help lists them)";
        [letter('?')] Action::Help, "these keys";
        [ctrl('z')] Action::Suspend, "suspend the program; fg in the shell resumes it";
        [letter('q'), ctrl('c')] Action::Quit, "quit, asking if something would be lost";
    }
    Context::Help => {
        [key(KeyCode::Esc), letter('?'), letter('q'), key(KeyCode::Enter)] Action::Cancel, "close", "close";
        [key(KeyCode::Down), letter('j')] Action::Move(Move::Down), "a line down", "scroll";
        [key(KeyCode::Up), letter('k')] Action::Move(Move::Up), "a line up";
        [key(KeyCode::PageDown), letter(' ')] Action::Move(Move::PageDown), "a page down", "page";
        [key(KeyCode::PageUp)] Action::Move(Move::PageUp), "a page up";
        [key(KeyCode::Home), letter('g')] Action::Move(Move::Home), "the first line";
        [key(KeyCode::End), letter('G')] Action::Move(Move::End), "the last line";
        [ctrl('c')] Action::Quit, "quit";
    }
    Context::Question => {
        [letter('y'), key(KeyCode::Enter)] Action::Confirm, "yes", "yes";
        [letter('n'), key(KeyCode::Esc), letter('q')] Action::Cancel, "no", "no";
        [ctrl('c')] Action::QuitNow, "quit at once; runs are stopped and can be resumed";
    }
    Context::CommandLine => {
        [key(KeyCode::Enter)] Action::Confirm, "do it", "do it";
        [key(KeyCode::Esc), ctrl('c')] Action::Cancel, "never mind", "never mind";
        [key(KeyCode::Tab)] Action::Complete(false), "complete the word, then the next one that fits", "complete";
        [key(KeyCode::BackTab)] Action::Complete(true), "the one before";
        [ctrl('o')] Action::BrowseForCommand, "choose in the browser what the command asks for", "browser";
        [key(KeyCode::Up), ctrl('p')] Action::Move(Move::Up), "an earlier command", "history";
        [key(KeyCode::Down), ctrl('n')] Action::Move(Move::Down), "a later command";
        [key(KeyCode::Left), ctrl('b')] Action::Edit(Edit::GoToPrevChar), "a letter back";
        [key(KeyCode::Right), ctrl('f')] Action::Edit(Edit::GoToNextChar), "a letter forward";
        [ctrl_key(KeyCode::Left)] Action::Edit(Edit::GoToPrevWord), "a word back";
        [ctrl_key(KeyCode::Right)] Action::Edit(Edit::GoToNextWord), "a word forward";
        [key(KeyCode::Home), ctrl('a')] Action::Edit(Edit::GoToStart), "to the beginning";
        [key(KeyCode::End), ctrl('e')] Action::Edit(Edit::GoToEnd), "to the end";
        [key(KeyCode::Backspace), ctrl('h')] Action::Erase, "delete the letter before the cursor";
        [key(KeyCode::Delete), ctrl('d')] Action::Edit(Edit::DeleteNextChar), "delete the letter at the cursor";
        [ctrl('w')] Action::Edit(Edit::DeletePrevWord), "delete the word before the cursor";
        [ctrl('u')] Action::Edit(Edit::DeleteFromStart), "delete everything before the cursor";
        [ctrl('k')] Action::Edit(Edit::DeleteTillEnd), "delete everything after it";
    }
    Context::Export => {
        [key(KeyCode::Enter)] Action::Confirm, "write it; close, once it is written", "write";
        [key(KeyCode::Left), key(KeyCode::Up)] Action::Move(Move::Left), "the format before", "format";
        [key(KeyCode::Right), key(KeyCode::Down)] Action::Move(Move::Right), "the format after";
        [key(KeyCode::Backspace), ctrl('h')] Action::Erase, "delete the target's last letter";
        [key(KeyCode::Esc), ctrl('c')] Action::Cancel, "close; while it is written, stop and keep nothing", "close";
    }
};
