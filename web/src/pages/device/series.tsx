/** What a device tells over time: curves, logs, sales. */
import { Code, Group, SegmentedControl, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconFileText, IconSearch, IconShoppingCart } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { seriesQueries } from '@/entities/series';
import { useDebounced, useFormat } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { DataTable, Empty, Failure, Loading, Panel, TimeChart, When } from '@/shared/ui';

const SPANS = [1, 24, 168, 720] as const;
const METRICS = 'cpu_0,cpu_1,memory,storage,signal';

export function Charts({ device }: { device: string }) {
  const { t } = useTranslation();
  const f = useFormat();
  const [hours, setHours] = useState<(typeof SPANS)[number]>(24);
  const found = useQuery(seriesQueries.metrics(device, METRICS, hours, 300));
  const m = found.data;
  const curve = (metric: string) => m?.curves.find((c) => c.metric === metric)?.points ?? [];
  const span = (
    <SegmentedControl size="xs" value={String(hours)} onChange={(v) => setHours(Number(v) as typeof hours)} data={SPANS.map((h) => ({ value: String(h), label: f.duration(h * 3600) }))} aria-label={t('series.span')} />
  );
  if (found.error && !m) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (!m) return <Loading rows={2} height={180} />;
  const time = { from: Date.parse(m.from), step: m.step_ms };
  return (
    <Stack gap="md">
      <Group justify="flex-end">{span}</Group>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Panel title={t('device.cpuBoth')}>
          <TimeChart {...time} percent unit="%" label={t('device.cpuBoth')} curves={[{ name: t('device.cpu', { core: 0 }), points: curve('cpu_0') }, { name: t('device.cpu', { core: 1 }), points: curve('cpu_1') }]} />
        </Panel>
        <Panel title={t('device.memory')}><TimeChart {...time} percent unit="%" label={t('device.memory')} curves={[{ name: t('device.memory'), points: curve('memory') }]} /></Panel>
        <Panel title={t('device.storage')}><TimeChart {...time} percent unit="%" label={t('device.storage')} curves={[{ name: t('device.storage'), points: curve('storage') }]} /></Panel>
        <Panel title={t('device.signal')}><TimeChart {...time} label={t('device.signal')} curves={[{ name: t('device.signal'), points: curve('signal') }]} /></Panel>
      </SimpleGrid>
    </Stack>
  );
}

export function Logs({ device }: { device: string }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const search = useDebounced(typed.trim()) || undefined;
  const [cursor, setCursor] = useState<string>();
  const pages = usePages(cursor, setCursor);
  const list = useQuery(seriesQueries.logs(device, { search }, cursor));
  return (
    <Panel pad={false} tools={<TextInput size="sm" value={typed} onChange={(e) => { setTyped(e.currentTarget.value); setCursor(undefined); }} leftSection={<IconSearch size={16} />} placeholder={t('log.search')} aria-label={t('log.search')} w={280} />}>
      <DataTable
        caption={t('nav.logs')}
        rows={list.data?.items}
        error={list.error}
        onRetry={() => void list.refetch()}
        fetching={list.isPlaceholderData}
        rowKey={(x) => String(x.id)}
        paging={pages(list.data?.next)}
        empty={<Empty icon={IconFileText} title={search ? t('table.nothing') : t('log.none')} />}
        columns={[
          { id: 'at', label: t('form.at'), width: 150, cell: (x) => <When at={x.at} /> },
          { id: 'tag', label: t('log.tag'), width: 140, cell: (x) => <Code>{x.tag}</Code> },
          { id: 'text', label: t('log.text'), cell: (x) => <Text size="sm" ff="monospace" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{x.text}</Text> },
        ]}
      />
    </Panel>
  );
}

const DAYS = [1, 7, 30] as const;

/** `+09:00`: where this browser's days begin. */
function offset(): string {
  const minutes = -new Date().getTimezoneOffset();
  const two = (n: number) => String(Math.floor(Math.abs(n))).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}

export function Sales({ device }: { device: string }) {
  const { t } = useTranslation();
  const f = useFormat();
  const [days, setDays] = useState<(typeof DAYS)[number]>(7);
  const query = useMemo(
    () => ({ device, group_by: days === 1 ? 'item,hour' : 'item,day', from: new Date(Date.now() - days * 86_400_000).toISOString(), utc_offset: offset() }),
    [device, days],
  );
  const found = useQuery(seriesQueries.sales(query));
  return (
    <Panel
      pad={false}
      title={t('sales.title')}
      actions={<SegmentedControl size="xs" value={String(days)} onChange={(v) => setDays(Number(v) as typeof days)} data={DAYS.map((d) => ({ value: String(d), label: f.duration(d * 86_400) }))} aria-label={t('series.span')} />}
    >
      <DataTable
        caption={t('sales.title')}
        rows={found.data?.sums}
        error={found.error}
        onRetry={() => void found.refetch()}
        rowKey={(s) => `${s.at ?? ''}${s.item ?? ''}${s.variety ?? ''}`}
        empty={<Empty icon={IconShoppingCart} title={t('sales.none')} />}
        columns={[
          { id: 'at', label: days === 1 ? t('sales.hour') : t('sales.day'), cell: (s) => (s.at ? f.date(Date.parse(s.at)) : '–') },
          { id: 'item', label: t('sales.item'), cell: (s) => s.item ?? '–' },
          { id: 'variety', label: t('sales.variety'), cell: (s) => s.variety ?? '–' },
          { id: 'count', label: t('sales.count'), right: true, cell: (s) => f.number(s.count) },
        ]}
      />
    </Panel>
  );
}
