/** A curve over time with its band from least to greatest; gaps are gaps. ECharts is loaded when the first one is drawn. */
import { Box, useComputedColorScheme, useMantineTheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Chart } from './echarts';

export interface Curve {
  name: string;
  points: ({ min: number; avg: number; max: number } | null)[];
}

interface Props {
  curves: Curve[];
  /** Milliseconds since the epoch of the first point, and of a step. */
  from: number;
  step: number;
  unit?: string;
  /** 0…100. */
  percent?: boolean;
  label: string;
  height?: number;
}

export function TimeChart({ curves, from, step, unit = '', percent, label, height = 220 }: Props) {
  const { i18n } = useTranslation();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const { ref, width } = useElementSize();
  const dark = useComputedColorScheme('light') === 'dark';
  const theme = useMantineTheme();

  useEffect(() => {
    let gone = false;
    void import('./echarts').then(({ init }) => {
      if (gone || !place.current) return;
      chart.current ??= init(place.current);
      const ink = dark ? '#9fb0bd' : '#55636f';
      const line = dark ? '#2a3742' : '#e3e8ec';
      const palette = [theme.colors.sea?.[6] ?? '#2d8fb8', theme.colors.orange[6], theme.colors.grape[5], theme.colors.teal[6]];
      const time = (i: number) => from + i * step;
      const round = (n: number) => Math.round(n * 100) / 100;
      chart.current.setOption(
        {
          animation: false,
          color: palette,
          grid: { left: 8, right: 12, top: curves.length > 1 ? 32 : 12, bottom: 4, containLabel: true },
          legend: curves.length > 1 ? { top: 0, textStyle: { color: ink }, icon: 'roundRect' } : undefined,
          tooltip: { trigger: 'axis', valueFormatter: (v: unknown) => (typeof v === 'number' ? `${round(v)}${unit}` : '–') },
          xAxis: { type: 'time', axisLabel: { color: ink, hideOverlap: true }, axisLine: { lineStyle: { color: line } } },
          yAxis: { type: 'value', max: percent ? 100 : undefined, min: percent ? 0 : undefined, scale: !percent, axisLabel: { color: ink, formatter: `{value}${unit}` }, splitLine: { lineStyle: { color: line } } },
          series: curves.map((curve, i) => ({
            name: curve.name,
            type: 'line',
            showSymbol: curve.points.filter(Boolean).length < 3,
            connectNulls: false,
            lineStyle: { width: 1.6 },
            areaStyle: curves.length === 1 ? { opacity: 0.12 } : undefined,
            itemStyle: { color: palette[i % palette.length] },
            data: curve.points.map((p, at) => [time(at), p ? round(p.avg) : null]),
          })),
        },
        { notMerge: true },
      );
    });
    return () => {
      gone = true;
    };
  }, [curves, from, step, unit, percent, dark, theme, i18n.language]);
  useEffect(() => {
    if (width > 0) chart.current?.resize();
  }, [width]);
  useEffect(() => () => { chart.current?.dispose(); chart.current = null; }, []);

  return (
    <Box ref={ref} w="100%">
      <Box ref={place} h={height} w="100%" role="img" aria-label={label} />
    </Box>
  );
}
