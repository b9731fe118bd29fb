import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import { NodeSDK } from '@opentelemetry/sdk-node';

// Prometheus reads /metrics here: metrics.port of the chart. Backstage's own port answers that path with the page.
const port = Number(process.env.METRICS_PORT ?? 9464);

const sdk = new NodeSDK({
  metricReaders: [new PrometheusExporter({ port })],
  instrumentations: [new HttpInstrumentation(), new RuntimeNodeInstrumentation()],
});
sdk.start();
