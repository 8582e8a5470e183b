import { useEffect, useState } from 'preact/hooks';
import type { Agreement, Amount, Estimate, ReviewReport } from '../../../src/service/review/page-types.ts';
import { ask } from '../ask.ts';
import { Table } from '../table.tsx';
import { count, plainLine, safetyName } from '../text.ts';
import { Axis, limits, percent, Range, scaleOf } from './range.tsx';

/** What the judgements say, as of now. @param judged asks again when it changes */
export function Figures({ judged }: { readonly judged: number }) {
  const [report, setReport] = useState<ReviewReport | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    ask<ReviewReport>('/api/report', { signal: stop.signal }).then(
      (answer) => {
        setReport(answer);
        setProblem('');
      },
      (error: Error) => stop.signal.aborted || setProblem(error.message),
    );
    return () => stop.abort();
  }, [judged]);
  if (problem !== '')
    return (
      <div class="message" role="alert">
        <p>{problem}</p>
      </div>
    );
  if (!report) return <p class="soft">Counting…</p>;
  if (report.judged === 0)
    return (
      <div class="message">
        <p>Nothing is judged yet.</p>
        <a class="button" href="#review">
          Begin
        </a>
      </div>
    );
  return (
    <div class="figures">
      <Headline report={report} />
      <Bands report={report} />
      <Thresholds report={report} />
      <Classes report={report} />
      <Reviewers report={report} />
      <p class="soft note">
        Shares are weighted by how many pairs of the release each judged pair stands for. Intervals are of 95
        %: Wilson's for one group of pairs, summed over groups as Zou, Huang and Zhang (2009) do. Pairs of
        which nobody could tell are left out.
      </p>
    </div>
  );
}

function Headline({ report: { precision, release, judged } }: { readonly report: ReviewReport }) {
  return (
    <section class="headline">
      <h2>Text matches the picture</h2>
      <p class="big">{precision.share === null ? 'not known yet' : percent(precision.share)}</p>
      <p class="soft">
        {precision.interval && `95 % interval: ${limits(precision.interval)}. `}
        Of {count(release.rows, 'pair', 'pairs')} by {count(judged, 'judged pair', 'judged pairs')}
        {precision.unsure > 0 && `, ${precision.unsure} of which nobody could tell`}.
      </p>
    </section>
  );
}

function Bands({ report: { bands } }: { readonly report: ReviewReport }) {
  const scale = scaleOf(bands.map(({ precision }) => precision.interval));
  return (
    <section>
      <h2>By similarity</h2>
      <Table
        label="Precision by band of similarity"
        head={['Similarity', <Axis key="axis" scale={scale} />, 'Matching', '95 %', 'Judged', 'Pairs']}
        rows={bands.map(({ from, to, precision }) => [
          `${from.toFixed(2)} – ${to.toFixed(2)}`,
          <Range key="range" scale={scale} share={precision.share} interval={precision.interval} />,
          ...shareCells(precision),
        ])}
      />
    </section>
  );
}

function Thresholds({ report: { thresholds, below, release } }: { readonly report: ReviewReport }) {
  const scale = scaleOf(thresholds.map(({ precision }) => precision.interval));
  const own = release.threshold;
  return (
    <section>
      <h2>What another threshold would keep</h2>
      <Table
        label="Figures by threshold"
        head={[
          'Threshold',
          <Axis key="axis" scale={scale} />,
          'Matching',
          '95 %',
          'Kept',
          'Wrong kept',
          'Right lost',
          'Right kept',
        ]}
        rows={thresholds.map(({ threshold, kept, precision, wrongKept, rightLost, recall }) => [
          threshold === own ? `${threshold.toFixed(2)} (now)` : threshold.toFixed(2),
          <Range key="range" scale={scale} share={precision.share} interval={precision.interval} />,
          percent(precision.share),
          limits(precision.interval),
          whole(kept),
          about(wrongKept),
          about(rightLost),
          recall ? percent(recall.value) : '',
        ])}
      />
      {below.length > 0 && (
        <>
          <h3>Below the threshold of the recipe</h3>
          <p class="soft">
            No pictures were kept there, and none are fetched: these pairs can be counted, not judged. They
            would go on to the next step.
          </p>
          <Table
            label="Pairs below the threshold"
            slim
            head={['Threshold', 'More pairs']}
            rows={below.map(({ threshold, added }) => [threshold.toFixed(2), whole(added)])}
          />
        </>
      )}
    </section>
  );
}

function Classes({ report: { classes, flags } }: { readonly report: ReviewReport }) {
  return (
    <section>
      <h2>Safety tags</h2>
      <Table
        label="Judgements by safety class"
        head={['Class', 'Not safe', '95 %', 'Judged not safe', 'Judged safe', 'Pairs']}
        rows={classes.map(({ nsfw, unsafe }) => [
          <>
            <bdi>{plainLine(nsfw, 40)}</bdi> <span class="soft">{safetyName(nsfw)}</span>
          </>,
          percent(unsafe.share),
          limits(unsafe.interval),
          whole(unsafe.yes),
          whole(unsafe.judged - unsafe.yes),
          whole(unsafe.pairs),
        ])}
      />
      <Table
        label="False positives and negatives of the marks"
        head={['Mark', 'Marked but safe', '95 %', 'Not safe but unmarked', '95 %', 'Of all safe, marked']}
        rows={flags.map(({ flag, precision, recall, falsePositiveRate }) => [
          <bdi key="flag">{plainLine(flag, 60)}</bdi>,
          percent(precision.share === null ? null : 1 - precision.share),
          limits(
            precision.interval && { low: 1 - precision.interval.high, high: 1 - precision.interval.low },
          ),
          percent(recall && 1 - recall.value),
          limits(recall && { low: 1 - recall.high, high: 1 - recall.low }),
          percent(falsePositiveRate?.value ?? null),
        ])}
      />
      <p class="soft">
        Marked but safe: false positives, as a share of what is marked. Not safe but unmarked: false
        negatives, as a share of what is not safe.
      </p>
    </section>
  );
}

function Reviewers({ report: { reviewers, agreement } }: { readonly report: ReviewReport }) {
  return (
    <section>
      <h2>Reviewers</h2>
      <ul class="plain">
        {reviewers.map(({ name, judged }) => (
          <li key={name}>
            <bdi>{plainLine(name, 64)}</bdi>: {count(judged, 'pair', 'pairs')}
          </li>
        ))}
      </ul>
      {agreement.length > 0 && (
        <Table
          label="Agreement of reviewers"
          head={['Reviewers', 'Question', 'Alike', 'Both judged', "Cohen's kappa"]}
          rows={agreement.map((one: Agreement) => [
            <bdi key="names">{one.reviewers.map((name) => plainLine(name, 64)).join(' and ')}</bdi>,
            one.question === 'match' ? 'text matches' : 'picture is safe',
            whole(one.alike),
            whole(one.both),
            one.kappa === null ? 'not defined' : one.kappa.toFixed(2),
          ])}
        />
      )}
    </section>
  );
}

function shareCells({ share, interval, judged, pairs }: Estimate): string[] {
  return [percent(share), limits(interval), whole(judged), whole(pairs)];
}

function about(amount: Amount): string {
  return amount === null ? '' : `${whole(amount.value)} (${whole(amount.low)} – ${whole(amount.high)})`;
}

function whole(n: number): string {
  return Math.round(n).toLocaleString('en');
}
