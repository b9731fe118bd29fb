package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/pipeline/site"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/sign"
	"github.com/stagecrew/stagecrew/pkg/tags"
)

// slice is the part of the table that one command runs, with what several of its
// stages want, made once.
type slice struct {
	settings config.Settings
	host     Host
	stages   []stage
	effect   Effect
	// sideBySide says that some of its stages may run at the same time.
	sideBySide bool
	given      map[key]any

	charts *release.Charts

	// What several stages read of the settings; each is read by the method of its name.
	kept struct {
		image         once[record.Image]
		site          once[site.Site]
		inputs        once[done]
		gate          once[site.Gate]
		signOptions   once[sign.SignOptions]
		verifyOptions once[sign.VerifyOptions]
		moves         once[[]tags.Move]
		claimFiles    once[map[string]json.RawMessage]
	}
}

// Run runs a command: it reads and checks the options of all its stages, and gives
// all problems at once; then it runs them, see [runAll].
func Run(ctx context.Context, c Command, settings config.Settings, host Host) error {
	s := newSlice(c, settings, host)
	tasks, err := s.prepare()
	if err != nil {
		return err
	}
	return runAll(ctx, tasks, s.given)
}

// Check gives all problems of the options of a command's stages and runs nothing.
func Check(c Command, settings config.Settings, host Host) error {
	_, err := newSlice(c, settings, host).prepare()
	return err
}

func newSlice(c Command, settings config.Settings, host Host) *slice {
	s := &slice{settings: settings, host: host, effect: c.Effect, given: map[key]any{}, charts: &release.Charts{}}
	for _, row := range table() {
		// What an earlier job has built is not built again.
		built := row.gives == image.key && settings.BuiltImage != ""
		if slices.Contains(c.Stages, row.name) && !built {
			s.stages = append(s.stages, row)
		}
	}
	s.sideBySide = overlap(s.stages)
	if s.looksAlong() {
		s.given[offered.key] = newOffers()
	}
	return s
}

// prepare makes the stages ready to run. Its error has all that is wrong with the
// settings, each thing once.
func (s *slice) prepare() ([]task, error) {
	s.tellHalfLogin()
	problems := record.Parts(errors.Join(s.mayRun(), s.giveImage()))
	var tasks []task
	for _, row := range s.stages {
		work, err := row.prepare(s)
		problems = append(problems, record.Parts(err)...)
		if work == nil {
			continue
		}
		if row.grouped && s.sideBySide {
			work = s.inGroup(row.name, work)
		}
		tasks = append(tasks, task{row, work})
	}
	return tasks, record.Problems(problems...)
}

// mayRun refuses to change something in a job that may run code which was not reviewed.
func (s *slice) mayRun() error {
	if s.effect == Nothing || s.settings.DryRun {
		return nil
	}
	return s.host.Actions.CheckTrigger(s.effect == Release)
}

func (s *slice) inGroup(name string, do work) work {
	return func(ctx context.Context, in inputs) (out any, err error) {
		err = s.host.Console.InGroup(name, func() error {
			out, err = do(ctx, in)
			return err
		})
		return out, err
	}
}

// makes reports whether a stage of the slice makes an output.
func (s *slice) makes(o named) bool {
	return slices.ContainsFunc(s.stages, func(row stage) bool { return row.gives == o.name() })
}

// wantsImage reports whether a stage of the slice needs the image, or looks at it on its way.
func (s *slice) wantsImage() bool {
	return s.looksAlong() || slices.ContainsFunc(s.stages, func(row stage) bool { return slices.Contains(row.before(), image.key) })
}

// looksAlong reports whether a stage of the slice looks at the images of a build on their way.
func (s *slice) looksAlong() bool {
	return slices.ContainsFunc(s.stages, func(row stage) bool { return row.gives != image.key && slices.Contains(row.along, offered.key) })
}

// isOurs reports whether the workflow that this runs in builds the image, here or in an
// earlier job.
func (s *slice) isOurs() bool { return s.makes(image) || s.settings.BuiltImage != "" }

// image is the one that the command is about: the one that was given or, where
// the slice builds it, or only asks about it, what stands for it until then.
func (s *slice) image() (record.Image, error) { return s.kept.image.of(s.readImage) }

func (s *slice) readImage() (record.Image, error) {
	asksEarly := s.settings.Image == "" && s.settings.BuiltImage == "" && !s.wantsImage()
	switch {
	case asksEarly && s.settings.Repository == "":
		return record.Image{}, record.BadInput("config/image", "--image is missing, and --repository, which does where there is no image yet")
	case asksEarly || s.makes(image):
		return record.NotBuilt(s.settings.Repository), nil
	}
	setting, text := "image", s.settings.Image
	if s.settings.BuiltImage != "" {
		setting, text = "built-image", s.builtImage()
	}
	given, err := record.ParseImage(text)
	switch {
	case text == s.settings.Repository+"@":
		return record.Image{}, record.BadInput("config/image", "--%s: there is no digest in it: the job that builds gave none, or under another name than this one takes; nothing is built here", setting)
	case err != nil:
		return record.Image{}, record.BadInput("config/image", "--%s: %w", setting, err)
	}
	s.host.Ledger.Update(func(r *record.Record) { r.Image = given })
	return given, nil
}

// builtImage is that of an earlier job, with the repository that a digest alone leaves
// out. GitHub withholds a name that holds the value of a secret, as that of the
// registry's user often is (docker/build-push-action#396, docker/metadata-action#214).
func (s *slice) builtImage() string {
	if strings.HasPrefix(s.settings.BuiltImage, "@") {
		return s.settings.Repository + s.settings.BuiltImage
	}
	return s.settings.BuiltImage
}

// giveImage hands the image on that was given in place of a build.
func (s *slice) giveImage() error {
	if !s.wantsImage() || s.makes(image) {
		return nil
	}
	given, err := s.image()
	if err != nil {
		return err
	}
	s.given[image.key] = given
	if way, isLookedAt := s.given[offered.key].(*offers); isLookedAt {
		way.give(given)
	}
	return nil
}

// phaseBeside runs work as a phase of the record. Where stages run side by side, its
// lines are kept together.
func (s *slice) phaseBeside(name string, work func(*slog.Logger) error) error {
	if s.sideBySide {
		return s.host.Console.RunBeside(name, work)
	}
	return s.phase(name, func() error { return work(s.host.Log) })
}

func (s *slice) phase(name string, work func() error) error {
	return s.host.Console.RecordPhase(name, work)
}

// overlap reports whether two of the stages may run at the same time.
func overlap(stages []stage) bool {
	for i, one := range stages {
		for _, other := range stages[i+1:] {
			if !follows(stages, one, other) && !follows(stages, other, one) {
				return true
			}
		}
	}
	return false
}

// follows reports whether one stage begins only when the other is over.
func follows(stages []stage, one, other stage) bool {
	return slices.ContainsFunc(stages, func(between stage) bool {
		return slices.Contains(one.before(), between.gives) && (between.gives == other.gives || follows(stages, between, other))
	})
}
