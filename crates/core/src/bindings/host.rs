//! Random numbers and schedulers.

/// Random numbers and schedulers: host arithmetic, synchronous.
#[macro_export]
macro_rules! host_bindings {
    ($bind:ident, $Floats:ty, $Doubles:ty, $Ints:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub fn devices() -> String {
            $crate::json::to_json(&$crate::device::devices())
        }

        #[$bind(js_name = "deviceName")]
        pub fn device_name(name: String) -> $Result<String> {
            $crate::device::full_name(&name).map_err($error)
        }

        #[$bind]
        pub struct Generator($crate::bindings::support::SharedGenerator);

        #[$bind]
        impl Generator {
            #[$bind(constructor)]
            pub fn new(seed: f64) -> $Result<Generator> {
                $crate::bindings::support::generator(seed).map(Self).map_err($error)
            }

            #[$bind(getter)]
            pub fn seed(&self) -> f64 {
                $crate::bindings::support::lock(&self.0).seed() as f64
            }

            #[$bind]
            pub fn randn(&self, count: f64) -> $Result<$Floats> {
                let drawn = $crate::bindings::support::draw(&self.0, count, |generator, n| Ok(generator.randn(n)));
                drawn.map(Into::into).map_err($error)
            }

            #[$bind]
            pub fn rand(&self, count: f64) -> $Result<$Floats> {
                let drawn = $crate::bindings::support::draw(&self.0, count, |generator, n| Ok(generator.rand(n)));
                drawn.map(Into::into).map_err($error)
            }

            #[$bind]
            pub fn randint(&self, low: f64, high: f64, count: f64) -> $Result<$Ints> {
                $crate::bindings::support::randint(&self.0, low, high, count).map(Into::into).map_err($error)
            }

            #[$bind]
            pub fn randperm(&self, n: f64) -> $Result<$Ints> {
                let drawn = $crate::bindings::support::draw(&self.0, n, |generator, n| Ok(generator.randperm(n)));
                drawn.map(Into::into).map_err($error)
            }

            #[$bind(js_name = "getState")]
            pub fn get_state(&self) -> $Bytes {
                $crate::bindings::support::lock(&self.0).state().into()
            }

            #[$bind(js_name = "setState")]
            pub fn set_state(&self, state: $Bytes) -> $Result<()> {
                $crate::bindings::support::lock(&self.0).set_state(&state).map_err($error)
            }

            #[$bind(js_name = "createUNet2DModel")]
            pub async fn create_unet_2d_model(
                &self,
                config: String,
                device: String,
                dtype: String,
            ) -> $Result<UNet2DModel> {
                let generator = self.0.clone();
                let create = $crate::bindings::support::create_model;
                let model = async move || create(&config, &device, &dtype, &generator);
                let model = $crate::handle::run(model).await.map_err($error)?;
                Ok(UNet2DModel(model))
            }
        }

        #[$bind]
        pub struct StepOutput($crate::schedulers::StepOutput);

        #[$bind]
        impl StepOutput {
            #[$bind(js_name = "prevSample")]
            pub fn prev_sample(&self) -> $Floats {
                self.0.prev_sample.clone().into()
            }

            #[$bind(js_name = "predOriginalSample")]
            pub fn pred_original_sample(&self) -> $Floats {
                self.0.pred_original_sample.clone().unwrap_or_default().into()
            }
        }

        #[$bind]
        pub struct Scheduler(std::sync::Mutex<Box<dyn $crate::schedulers::Scheduler>>);

        #[$bind]
        impl Scheduler {
            #[$bind(constructor)]
            pub fn new(class_name: String, config: String) -> $Result<Scheduler> {
                let scheduler = $crate::schedulers::create(&class_name, &config).map_err($error)?;
                Ok(Self(std::sync::Mutex::new(scheduler)))
            }

            #[$bind(js_name = "fromPythonConfig")]
            pub fn from_python_config(text: String, class_name: String) -> $Result<Scheduler> {
                let scheduler = $crate::bindings::support::scheduler_from_file(&text, &class_name).map_err($error)?;
                Ok(Self(std::sync::Mutex::new(scheduler)))
            }

            #[$bind]
            pub fn convert(&self, class_name: String, overrides: String) -> $Result<Scheduler> {
                let scheduler = $crate::bindings::support::lock(&self.0);
                let converted = $crate::schedulers::convert(&**scheduler, &class_name, &overrides).map_err($error)?;
                Ok(Self(std::sync::Mutex::new(converted)))
            }

            #[$bind(js_name = "className")]
            pub fn class_name(&self) -> String {
                $crate::bindings::support::lock(&self.0).class_name().to_string()
            }

            #[$bind]
            pub fn config(&self) -> String {
                $crate::bindings::support::lock(&self.0).config_json()
            }

            #[$bind(js_name = "pythonConfig")]
            pub fn python_config(&self) -> $Result<String> {
                $crate::bindings::support::scheduler_file(&**$crate::bindings::support::lock(&self.0)).map_err($error)
            }

            #[$bind(js_name = "setTimesteps")]
            pub fn set_timesteps(&self, options: String) -> $Result<()> {
                let options = $crate::json::from_json_without_null(&options).map_err($error)?;
                $crate::bindings::support::lock(&self.0).set_timesteps(&options).map_err($error)
            }

            #[$bind]
            pub fn timesteps(&self) -> $Doubles {
                $crate::bindings::support::lock(&self.0).timesteps().to_vec().into()
            }

            #[$bind(js_name = "initNoiseSigma")]
            pub fn init_noise_sigma(&self) -> f64 {
                f64::from($crate::bindings::support::lock(&self.0).init_noise_sigma())
            }

            #[$bind]
            pub fn order(&self) -> u32 {
                $crate::bindings::support::lock(&self.0).order() as u32
            }

            #[$bind(js_name = "beginIndex")]
            pub fn begin_index(&self, num_inference_steps: u32, strength: f64) -> $Result<u32> {
                let scheduler = $crate::bindings::support::lock(&self.0);
                let index = $crate::pipelines::begin_index(&**scheduler, num_inference_steps as usize, strength);
                index.map(|index| index as u32).map_err($error)
            }

            #[$bind(js_name = "setBeginIndex")]
            pub fn set_begin_index(&self, index: u32) -> $Result<()> {
                $crate::bindings::support::lock(&self.0).set_begin_index(index as usize).map_err($error)
            }

            #[$bind(js_name = "setKnownPart")]
            pub fn set_known_part(&self, image: $Floats, mask: $Floats) -> $Result<()> {
                $crate::bindings::support::lock(&self.0).set_known_part(&image, &mask).map_err($error)
            }

            #[$bind(js_name = "usesModelOutput")]
            pub fn uses_model_output(&self, timestep: f64) -> bool {
                $crate::bindings::support::lock(&self.0).uses_model_output(timestep)
            }

            #[$bind(js_name = "scaleModelInput")]
            pub fn scale_model_input(&self, sample: $Floats, timestep: f64) -> $Result<$Floats> {
                let mut scheduler = $crate::bindings::support::lock(&self.0);
                scheduler.scale_model_input(&sample, timestep).map(Into::into).map_err($error)
            }

            #[$bind(js_name = "noiseDraws")]
            pub fn noise_draws(&self, timestep: f64, options: String) -> $Result<u32> {
                let options = $crate::json::from_json_without_null(&options).map_err($error)?;
                let scheduler = $crate::bindings::support::lock(&self.0);
                scheduler.noise_draws(timestep, &options).map(|draws| draws as u32).map_err($error)
            }

            #[$bind]
            pub fn step(
                &self,
                model_output: $Floats,
                timestep: f64,
                sample: $Floats,
                shape: $Sizes,
                options: String,
                noise: $Floats,
            ) -> $Result<StepOutput> {
                let output = $crate::bindings::support::lock(&self.0).step($crate::schedulers::StepInput {
                    model_output: &model_output,
                    timestep,
                    sample: &sample,
                    shape: &$crate::bindings::support::sizes(&shape),
                    options: &$crate::json::from_json_without_null(&options).map_err($error)?,
                    noise: &noise,
                });
                output.map(StepOutput).map_err($error)
            }

            #[$bind(js_name = "addNoise")]
            pub fn add_noise(&self, original: $Floats, noise: $Floats, timesteps: $Doubles) -> $Result<$Floats> {
                let scheduler = $crate::bindings::support::lock(&self.0);
                scheduler.add_noise(&original, &noise, &timesteps).map(Into::into).map_err($error)
            }

            #[$bind(js_name = "getVelocity")]
            pub fn get_velocity(&self, sample: $Floats, noise: $Floats, timesteps: $Doubles) -> $Result<$Floats> {
                let scheduler = $crate::bindings::support::lock(&self.0);
                scheduler.get_velocity(&sample, &noise, &timesteps).map(Into::into).map_err($error)
            }

            #[$bind]
            pub fn table(&self, name: String) -> $Floats {
                $crate::bindings::support::lock(&self.0).table(&name).into()
            }
        }

        #[$bind]
        pub struct LrSchedule($crate::training::LrSchedule);

        #[$bind]
        impl LrSchedule {
            #[$bind(constructor)]
            pub fn new(options: String, learning_rate: f64) -> $Result<LrSchedule> {
                let options = $crate::json::from_json_without_null(&options).map_err($error)?;
                $crate::training::LrSchedule::new(options, learning_rate).map(Self).map_err($error)
            }

            #[$bind(js_name = "learningRate")]
            pub fn learning_rate(&self, steps: u32) -> f64 {
                self.0.learning_rate(steps as usize)
            }
        }
    };
}
