//! Models and what trains them by hand.

/// Models and what trains them by hand.
#[macro_export]
macro_rules! model_bindings {
    ($bind:ident, $Floats:ty, $Sizes:ty, $Bytes:ty, $Result:ident, $error:ident) => {
        #[$bind]
        pub struct Weights($crate::handle::Handle<$crate::pretrained::weights::Weights>);

        #[$bind]
        impl Weights {
            #[$bind(constructor)]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self($crate::handle::Handle::new("the weights", $crate::pretrained::weights::Weights::new()))
            }

            #[$bind]
            pub async fn add(&self, file_name: String, bytes: $Bytes) -> $Result<()> {
                let (weights, bytes) = (self.0.clone(), bytes.to_vec());
                let add = async move || weights.with(async |weights| weights.add(&file_name, &bytes)).await;
                $crate::handle::run(add).await.map_err($error)
            }

            #[$bind(js_name = "wantUNet2DModel")]
            pub async fn want_unet_2d_model(&self, python_config: String, device: String) -> $Result<()> {
                let weights = self.0.clone();
                let want = async move || {
                    weights
                        .with(async |weights| $crate::bindings::support::want_model(&python_config, weights, &device))
                        .await
                };
                $crate::handle::run(want).await.map_err($error)
            }

            #[$bind]
            pub async fn open(&self, file_name: String, size: f64) -> $Result<String> {
                let weights = self.0.clone();
                let open = async move || weights.with(async |weights| weights.open(&file_name, size as u64)).await;
                $crate::handle::run(open).await.map($crate::bindings::support::range_json).map_err($error)
            }

            #[$bind]
            pub async fn feed(&self, bytes: $Bytes) -> $Result<String> {
                let (weights, bytes) = (self.0.clone(), bytes.to_vec());
                let feed = async move || weights.with(async |weights| weights.feed(bytes)).await;
                $crate::handle::run(feed).await.map($crate::bindings::support::range_json).map_err($error)
            }

            #[$bind(js_name = "createUNet2DModel")]
            pub async fn create_unet_2d_model(
                &self,
                python_config: String,
                device: String,
                dtype: String,
            ) -> $Result<UNet2DModel> {
                let weights = self.0.clone();
                let load = async move || {
                    weights
                        .with(async |weights| {
                            $crate::bindings::support::load_model(&python_config, weights, &device, &dtype)
                        })
                        .await
                };
                let model = $crate::handle::run(load).await.map_err($error)?;
                Ok(UNet2DModel(model))
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.dispose();
            }
        }

        #[$bind]
        pub struct Prediction {
            values: Vec<f32>,
            prediction: $crate::handle::Handle<$crate::training::Prediction>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
        }

        #[$bind]
        impl Prediction {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.prediction.bytes() as f64
            }

            #[$bind]
            pub fn data(&self) -> $Floats {
                self.values.clone().into()
            }

            #[$bind]
            pub async fn backward(&self, gradient: $Floats) -> $Result<$Floats> {
                let (prediction, model, gradient) = (self.prediction.clone(), self.model.clone(), gradient.to_vec());
                let backward = async move || {
                    let prediction = prediction.take().await?;
                    model.with(async |model| prediction.backward(model, &gradient).await).await
                };
                let gradient = $crate::handle::run(backward).await.map_err($error)?;
                Ok(gradient.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.prediction.dispose();
            }
        }

        #[$bind]
        pub struct UNet2DModel($crate::bindings::support::Model);

        #[$bind]
        impl UNet2DModel {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.0.handle.bytes() as f64
            }

            #[$bind]
            pub fn config(&self) -> String {
                self.0.config.clone()
            }

            #[$bind(js_name = "pythonConfig")]
            pub fn python_config(&self) -> $Result<String> {
                $crate::pretrained::config::write_config("UNet2DModel", &self.0.config).map_err($error)
            }

            #[$bind]
            pub fn warning(&self) -> String {
                self.0.warning.clone()
            }

            #[$bind(js_name = "countParameters")]
            pub fn count_parameters(&self) -> f64 {
                self.0.parameter_count as f64
            }

            #[$bind]
            pub fn device(&self) -> String {
                self.0.device.clone()
            }

            #[$bind]
            pub fn dtype(&self) -> String {
                self.0.dtype.to_string()
            }

            #[$bind(js_name = "expectRoom")]
            pub fn expect_room(&self, shape: $Sizes) -> $Result<()> {
                $crate::bindings::support::expect_room_for_batch(&self.0, &shape).map_err($error)
            }

            #[$bind]
            pub async fn forward(
                &self,
                sample: $Floats,
                shape: $Sizes,
                timesteps: $Floats,
                class_labels: $Floats,
            ) -> $Result<$Floats> {
                let model = self.0.handle.clone();
                let input = $crate::bindings::support::Input::new(&sample, &shape, &timesteps, &class_labels);
                let forward = async move || model.with(async |model| input.predict(model).await).await;
                let output = $crate::handle::run(forward).await.map_err($error)?;
                Ok(output.into())
            }

            #[$bind(js_name = "forwardTracked")]
            pub async fn forward_tracked(
                &self,
                sample: $Floats,
                shape: $Sizes,
                timesteps: $Floats,
                class_labels: $Floats,
            ) -> $Result<Prediction> {
                let model = self.0.handle.clone();
                let input = $crate::bindings::support::Input::new(&sample, &shape, &timesteps, &class_labels);
                let forward = async move || model.with(async |model| input.predict_tracked(model).await).await;
                let prediction = $crate::handle::run(forward).await.map_err($error)?;
                Ok(Prediction {
                    values: prediction.values().to_vec(),
                    prediction: $crate::handle::Handle::new("the prediction (or it went backward already)", prediction),
                    model: self.0.handle.clone(),
                })
            }

            #[$bind]
            pub async fn backward(
                &self,
                sample: $Floats,
                shape: $Sizes,
                timesteps: $Floats,
                target: $Floats,
                weights: $Floats,
                class_labels: $Floats,
            ) -> $Result<f64> {
                let model = self.0.handle.clone();
                let input = $crate::bindings::support::Input::new(&sample, &shape, &timesteps, &class_labels);
                let (target, weights) = (target.to_vec(), weights.to_vec());
                let backward =
                    async move || model.with(async |model| input.mse_backward(model, &target, &weights).await).await;
                $crate::handle::run(backward).await.map(f64::from).map_err($error)
            }

            #[$bind(js_name = "parameterList")]
            pub fn parameter_list(&self) -> String {
                self.0.parameter_list.clone()
            }

            #[$bind]
            pub async fn parameter(&self, name: String) -> $Result<$Floats> {
                let model = self.0.handle.clone();
                let read = async move || model.with(async |model| model.parameters.value(&name).await).await;
                let values = $crate::handle::run(read).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind]
            pub async fn gradient(&self, name: String) -> $Result<$Floats> {
                let model = self.0.handle.clone();
                let read = async move || model.with(async |model| model.parameters.gradient(&name).await).await;
                let values = $crate::handle::run(read).await.map_err($error)?;
                Ok(values.into())
            }

            #[$bind(js_name = "zeroGrad")]
            pub async fn zero_grad(&self) -> $Result<()> {
                let model = self.0.handle.clone();
                $crate::handle::run(async move || $crate::bindings::support::zero_gradients(&model).await)
                    .await
                    .map_err($error)
            }

            #[$bind(js_name = "clipGradNorm")]
            pub async fn clip_grad_norm(&self, max_norm: f64) -> $Result<f64> {
                let model = self.0.handle.clone();
                $crate::handle::run(async move || $crate::bindings::support::clip_gradients(&model, max_norm).await)
                    .await
                    .map_err($error)
            }

            #[$bind(js_name = "setGradientCheckpointing")]
            pub async fn set_gradient_checkpointing(&self, on: bool) -> $Result<()> {
                let model = self.0.handle.clone();
                let set = async move || model.with(async |model| Ok(model.set_gradient_checkpointing(on))).await;
                $crate::handle::run(set).await.map_err($error)
            }

            #[$bind(js_name = "createEMAModel")]
            pub async fn create_ema_model(&self, options: String) -> $Result<EMAModel> {
                let model = self.0.handle.clone();
                let create = async move || $crate::bindings::support::create_ema(&model, &options).await;
                let ema = $crate::handle::run(create).await.map_err($error)?;
                Ok(EMAModel { ema, model: self.0.handle.clone(), device: self.0.device.clone() })
            }

            #[$bind]
            pub async fn safetensors(&self, dtype: String) -> $Result<$Bytes> {
                let model = self.0.handle.clone();
                let write = async move || $crate::bindings::support::safetensors(&model, &dtype).await;
                let bytes = $crate::handle::run(write).await.map_err($error)?;
                Ok(bytes.into())
            }

            #[$bind]
            pub fn dispose(&self) {
                self.0.handle.dispose();
            }
        }

        #[$bind]
        pub struct EMAModel {
            ema: $crate::handle::Handle<$crate::training::Ema>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
            device: String,
        }

        #[$bind]
        impl EMAModel {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.ema.bytes() as f64
            }

            #[$bind]
            pub async fn step(&self) -> $Result<f64> {
                let (ema, model) = (self.ema.clone(), self.model.clone());
                $crate::handle::run(async move || $crate::bindings::support::update_ema(&ema, &model).await)
                    .await
                    .map_err($error)
            }

            #[$bind]
            pub async fn model(&self) -> $Result<UNet2DModel> {
                let (ema, model, device) = (self.ema.clone(), self.model.clone(), self.device.clone());
                let averaged = async move || $crate::bindings::support::averaged_model(&ema, &model, &device).await;
                $crate::handle::run(averaged).await.map(UNet2DModel).map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.ema.dispose();
            }
        }

        #[$bind]
        pub struct AdamW {
            optimizer: $crate::handle::Handle<$crate::training::AdamW>,
            model: $crate::handle::Handle<$crate::models::UNet2DModel>,
        }

        #[$bind]
        impl AdamW {
            #[$bind]
            pub fn memory(&self) -> f64 {
                self.optimizer.bytes() as f64
            }

            #[$bind(constructor)]
            pub fn new(model: &UNet2DModel, options: String) -> $Result<AdamW> {
                let options = $crate::json::from_json(&options).map_err($error)?;
                let optimizer = $crate::training::AdamW::new(options).map_err($error)?;
                Ok(Self {
                    optimizer: $crate::handle::Handle::new("the optimizer", optimizer),
                    model: model.0.handle.clone(),
                })
            }

            #[$bind]
            pub async fn step(&self) -> $Result<()> {
                let (optimizer, model) = (self.optimizer.clone(), self.model.clone());
                $crate::handle::run(async move || $crate::bindings::support::optimize(&optimizer, &model).await)
                    .await
                    .map_err($error)
            }

            #[$bind(js_name = "stateDict")]
            pub async fn state_dict(&self) -> $Result<$Bytes> {
                let (optimizer, model) = (self.optimizer.clone(), self.model.clone());
                let write = async move || $crate::bindings::support::optimizer_state(&optimizer, &model).await;
                let bytes = $crate::handle::run(write).await.map_err($error)?;
                Ok(bytes.into())
            }

            #[$bind(js_name = "loadStateDict")]
            pub async fn load_state_dict(&self, state: &Weights) -> $Result<()> {
                let (optimizer, model, state) = (self.optimizer.clone(), self.model.clone(), state.0.clone());
                let load = async move || $crate::bindings::support::load_optimizer(&optimizer, &model, &state).await;
                $crate::handle::run(load).await.map_err($error)
            }

            #[$bind(js_name = "setLearningRate")]
            pub async fn set_learning_rate(&self, rate: f64) -> $Result<()> {
                let optimizer = self.optimizer.clone();
                let set = async move || optimizer.with(async |optimizer| optimizer.set_learning_rate(rate)).await;
                $crate::handle::run(set).await.map_err($error)
            }

            #[$bind(js_name = "zeroGrad")]
            pub async fn zero_grad(&self) -> $Result<()> {
                let model = self.model.clone();
                $crate::handle::run(async move || $crate::bindings::support::zero_gradients(&model).await)
                    .await
                    .map_err($error)
            }

            #[$bind]
            pub fn dispose(&self) {
                self.optimizer.dispose();
            }
        }
    };
}
