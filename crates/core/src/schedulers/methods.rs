//! The methods of [`Scheduler`](super::Scheduler) that many schedulers write alike, over the fields that they share.

/// Over a `run`: where the run stands.
macro_rules! position_methods {
    () => {
        fn timesteps(&self) -> &[f64] {
            self.run.timesteps()
        }

        fn run(&self) -> Option<&Run> {
            Some(&self.run)
        }

        fn run_mut(&mut self) -> Option<&mut Run> {
            Some(&mut self.run)
        }
    };
}

/// What the configuration says. The arguments are the fields that say it.
macro_rules! common_methods {
    () => {
        super::methods::common_methods!(noise_schedule.num_train_timesteps, prediction_type);
    };
    ($($train:ident).+, $($prediction:ident).+) => {
        fn record(&self) -> &ConfigRecord {
            self.config.record()
        }

        fn num_train_timesteps(&self) -> usize {
            self.config.$($train).+
        }

        fn prediction_type(&self) -> PredictionType {
            self.config.$($prediction).+
        }
    };
}

/// Over a `process`: x_t = √ᾱ·x_0 + √(1 − ᾱ)·z at any training timestep.
macro_rules! process_methods {
    () => {
        fn table(&self, name: &str) -> Vec<f32> {
            self.process.table(name)
        }

        fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
            self.process.coefficients(timestep)
        }

        fn velocity_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
            self.process.coefficients(timestep)
        }
    };
}

/// Over the `process` and the `run` of a distilled model, whose `config` says the timesteps.
macro_rules! distilled_methods {
    () => {
        super::methods::process_methods!();
        super::methods::position_methods!();

        fn place_timesteps(&mut self, options: &SetTimesteps) -> Result<()> {
            self.run = Run::new(self.config.timesteps(options)?, []);
            Ok(())
        }
    };
}

/// Over a `run` with the `training` noise levels.
macro_rules! run_methods {
    () => {
        super::methods::position_methods!();

        fn table(&self, name: &str) -> Vec<f32> {
            if name == "sigmas" { self.run.sigmas().to_vec() } else { self.training.process().table(name) }
        }
    };
}

/// Over a `run` with `training` noise levels where x_t = x_0 + σ·z.
macro_rules! sigma_methods {
    () => {
        super::methods::run_methods!();

        fn init_noise_sigma(&self) -> f32 {
            self.run.init_noise_sigma(self.config.spacing.timestep_spacing)
        }

        fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
            Ok((1.0, self.run.sigma(self.run.index_of(timestep)?)))
        }
    };
}

/// Over a `run` with `training` noise levels of which `level` says what they are.
macro_rules! solver_methods {
    () => {
        super::methods::run_methods!();

        fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
            Ok(self.level(self.run.index_of(timestep)?).coefficients())
        }
    };
}

/// Over the `run` of a model in the EDM wrapping, `formulation`, where x_t = x_0 + σ·z.
macro_rules! edm_methods {
    () => {
        super::methods::position_methods!();

        fn init_noise_sigma(&self) -> f32 {
            self.formulation().init_noise_sigma()
        }

        fn table(&self, name: &str) -> Vec<f32> {
            self.run.table(name)
        }

        fn scale_model_input(&mut self, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
            let index = self.run.enter(timestep)?;
            Ok(self.formulation().scale_input(sample, self.run.sigma(index)))
        }

        fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
            Ok((1.0, self.run.sigma(self.run.index_of(timestep)?)))
        }
    };
}

/// Over a `run` where x_t = (1 − σ)·x_0 + σ·z.
macro_rules! flow_methods {
    () => {
        fn record(&self) -> &ConfigRecord {
            self.config.record()
        }

        fn num_train_timesteps(&self) -> usize {
            self.config.num_train_timesteps
        }

        fn prediction_type(&self) -> PredictionType {
            PredictionType::FlowPrediction
        }

        super::methods::position_methods!();

        fn table(&self, name: &str) -> Vec<f32> {
            self.run.table(name)
        }

        fn forward_coefficients(&self, timestep: f64) -> Result<(f32, f32)> {
            let sigma = self.run.sigma(self.run.index_of(timestep)?);
            Ok((1.0 - sigma, sigma))
        }
    };
}

pub(super) use {
    common_methods, distilled_methods, edm_methods, flow_methods, position_methods, process_methods, run_methods,
    sigma_methods, solver_methods,
};
