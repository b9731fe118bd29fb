package stack

import (
	"log/slog"
	"os"

	fulcio "github.com/sigstore/fulcio/pkg/log"
	stamps "github.com/sigstore/timestamp-authority/v2/pkg/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

// logTo sends what the servers log to the file: they write to stdout otherwise,
// which belongs to the command that runs beside them.
func logTo(path string) (*os.File, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(file), zapcore.InfoLevel)
	fulcio.Logger = zap.New(core).Sugar()
	stamps.Logger = fulcio.Logger
	slog.SetDefault(slog.New(slog.NewTextHandler(file, nil)))
	klog.SetSlogLogger(slog.Default())
	return file, nil
}
