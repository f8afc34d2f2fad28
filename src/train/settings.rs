//! The settings of a run by the names of `train`'s flags, as texts: for the workbench's `:set` and for sweeps.

use std::str::FromStr;

use super::Request;
use crate::session::OnNan;

/// Every setting that decides or describes a run: the long flags of `aat-tui train` but the session's name and place.
/// In the order in which a sweep nests its axes: the last one changes fastest.
pub const SETTINGS: [&str; 20] = [
    "data",
    "model",
    "method",
    "recipe",
    "epochs",
    "batch",
    "micro-batch",
    "lr",
    "frames",
    "stride",
    "dtype",
    "device",
    "norms-every",
    "recompute",
    "on-nan",
    "label-column",
    "marked-in-full",
    "trust-detections",
    "fold",
    "seed",
];

/// Settings that are yes or no: flags without a value.
pub const SWITCHES: [&str; 2] = ["marked-in-full", "trust-detections"];

/// Settings of the machine and of reports: a run with another value of these ends with the same result.
pub const OF_THE_MACHINE: [&str; 4] = ["micro-batch", "device", "norms-every", "recompute"];

impl Request {
    /// Sets one setting by its flag's name, as `aat-tui train` takes it.
    ///
    /// # Errors
    /// When there is no such setting, or it cannot have this value: a message for people.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "data" => self.data = text(name, value)?,
            "model" => self.model = text(name, value)?,
            "method" => self.method = value.parse().map_err(|error: crate::model::ModelError| error.to_string())?,
            "recipe" => self.recipe = Some(text(name, value)?),
            "epochs" => match number(name, value)? {
                0 => return Err(format!("{name} cannot be \"{value}\"")),
                epochs => self.epochs = Some(epochs),
            },
            "batch" => self.batch = Some(number(name, value)?),
            "micro-batch" => self.micro_batch = Some(number(name, value)?),
            "lr" => self.lr = Some(number(name, value)?),
            "frames" => self.frames = Some(number(name, value)?),
            "stride" => self.stride = Some(number(name, value)?),
            "dtype" => self.dtype = text(name, value)?,
            "device" => self.device = text(name, value)?,
            "norms-every" => self.norms_every = number(name, value)?,
            "recompute" => self.recompute = value.parse().map_err(|why: String| format!("{name}: {why}"))?,
            "on-nan" => {
                self.on_nan = match value {
                    "stop" => OnNan::Stop,
                    "skip" => OnNan::Skip,
                    _ => return Err(format!("on-nan is stop or skip, not \"{value}\"")),
                }
            }
            "label-column" => self.marks.label_column = Some(text(name, value)?),
            "marked-in-full" => self.marks.marked_in_full = switch(name, value)?,
            "trust-detections" => self.marks.trust_detections = switch(name, value)?,
            "fold" => self.fold = Some(number(name, value)?),
            "seed" => self.seed = number(name, value)?,
            _ => return Err(format!("no setting \"{name}\"; there are {}", SETTINGS.join(", "))),
        }
        Ok(())
    }

    /// One setting as a text, the same for every way of writing its value; empty where it is left to the recipe, the data
    /// set or the machine.
    pub fn get(&self, name: &str) -> String {
        fn of<T: std::fmt::Display>(value: Option<&T>) -> String {
            value.map_or_else(String::new, T::to_string)
        }
        let switch = |on: bool| if on { "yes".to_owned() } else { String::new() };
        match name {
            "data" => self.data.clone(),
            "model" => self.model.clone(),
            "method" => self.method.to_string(),
            "recipe" => of(self.recipe.as_ref()),
            "epochs" => of(self.epochs.as_ref()),
            "batch" => of(self.batch.as_ref()),
            "micro-batch" => of(self.micro_batch.as_ref()),
            "lr" => of(self.lr.as_ref()),
            "frames" => of(self.frames.as_ref()),
            "stride" => of(self.stride.as_ref()),
            "dtype" => self.dtype.clone(),
            "device" => self.device.clone(),
            "norms-every" => self.norms_every.to_string(),
            "recompute" => self.recompute.to_string(),
            "on-nan" => match self.on_nan {
                OnNan::Stop => "stop".to_owned(),
                OnNan::Skip => "skip".to_owned(),
            },
            "label-column" => of(self.marks.label_column.as_ref()),
            "marked-in-full" => switch(self.marks.marked_in_full),
            "trust-detections" => switch(self.marks.trust_detections),
            "fold" => of(self.fold.as_ref()),
            "seed" => self.seed.to_string(),
            _ => String::new(),
        }
    }

    /// Gives one setting its default again.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn reset(&mut self, name: &str) -> Result<(), String> {
        let usual = Self::default();
        match name {
            "data" => self.data = usual.data,
            "model" => self.model = usual.model,
            "method" => self.method = usual.method,
            "recipe" => self.recipe = None,
            "epochs" => self.epochs = None,
            "batch" => self.batch = None,
            "micro-batch" => self.micro_batch = None,
            "lr" => self.lr = None,
            "frames" => self.frames = None,
            "stride" => self.stride = None,
            "dtype" => self.dtype = usual.dtype,
            "device" => self.device = usual.device,
            "norms-every" => self.norms_every = usual.norms_every,
            "recompute" => self.recompute = usual.recompute,
            "on-nan" => self.on_nan = usual.on_nan,
            "label-column" => self.marks.label_column = None,
            "marked-in-full" => self.marks.marked_in_full = false,
            "trust-detections" => self.marks.trust_detections = false,
            "fold" => self.fold = None,
            "seed" => self.seed = usual.seed,
            _ => return Err(format!("no setting \"{name}\"; there are {}", SETTINGS.join(", "))),
        }
        Ok(())
    }
}

fn text(name: &str, value: &str) -> Result<String, String> {
    if value.trim().is_empty() { Err(format!("{name} is empty")) } else { Ok(value.to_owned()) }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| format!("{name} cannot be \"{value}\""))
}

/// The words that flags without a value take from their environment variables.
fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("{name} is yes or no, not \"{value}\"")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A value that is not the default.
    fn other(name: &str) -> &'static str {
        match name {
            "on-nan" => "skip",
            "recompute" => "block",
            "method" => "lora-r4",
            "dtype" => "bf16",
            "device" => "cpu",
            name if SWITCHES.contains(&name) => "yes",
            _ => "3",
        }
    }

    #[test]
    fn every_setting_is_set_and_goes_back_to_its_default() {
        for name in SETTINGS {
            let mut request = Request::default();
            request.set(name, other(name)).unwrap();
            assert_ne!(request, Request::default(), "{name}");
            assert_eq!(request.get(name), other(name), "{name}");
            request.reset(name).unwrap();
            assert_eq!(request, Request::default(), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_or_value_is_refused_in_words() {
        let said = |name: &str, value: &str| Request::default().set(name, value).unwrap_err();
        assert!(said("speed", "3").contains("norms-every"));
        assert_eq!(said("epochs", "many"), "epochs cannot be \"many\"");
        assert_eq!(said("epochs", "0"), "epochs cannot be \"0\"");
        assert!(said("method", "adapter").contains("aat-m"));
        assert!(said("marked-in-full", "maybe").contains("yes or no"));
        assert!(said("data", " ").contains("empty"));
    }
}
