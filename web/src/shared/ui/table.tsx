/**
 * One table for every list: columns, states, keyset paging. On a narrow screen the rows become cards, so that nothing is scrolled
 * sideways at the machine.
 */
import { Box, Button, Card, Checkbox, Group, Stack, Table, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Failure, Loading } from './states';

export interface Column<T> {
  id: string;
  label: string;
  cell: (row: T) => ReactNode;
  /** Numbers stand to the right. */
  right?: boolean;
  width?: number | string;
  /** Left out of the cards of a narrow screen. */
  wideOnly?: boolean;
}

interface Props<T> {
  columns: Column<T>[];
  rows: T[] | undefined;
  rowKey: (row: T) => string;
  error?: unknown;
  onRetry?: () => void;
  empty: ReactNode;
  caption: string;
  selected?: Set<string>;
  onSelect?: (selected: Set<string>) => void;
  paging?: { onNext?: () => void; onPrevious?: () => void; note?: string };
  fetching?: boolean;
}

export function DataTable<T>(props: Props<T>) {
  const { columns, rows, rowKey, error, onRetry, empty, caption, selected, onSelect, paging, fetching } = props;
  const { t } = useTranslation();
  const narrow = useMediaQuery('(max-width: 47.99em)');
  if (error && !rows) return <Box p="md"><Failure error={error} onRetry={onRetry} /></Box>;
  if (!rows) return <Box p="md"><Loading /></Box>;

  const toggle = (key: string) => {
    if (!selected || !onSelect) return;
    const next = new Set(selected);
    if (!next.delete(key)) next.add(key);
    onSelect(next);
  };
  const all = rows.length > 0 && rows.every((row) => selected?.has(rowKey(row)));
  const toggleAll = () => {
    if (!selected || !onSelect) return;
    const next = new Set(selected);
    for (const row of rows) {
      if (all) next.delete(rowKey(row));
      else next.add(rowKey(row));
    }
    onSelect(next);
  };

  const shown = narrow ? (
    <Stack gap="xs" p="xs" component="ul" m={0} style={{ listStyle: 'none' }}>
      {rows.map((row) => {
        const [first, ...rest] = columns;
        return (
          <Card key={rowKey(row)} withBorder padding="sm" component="li">
            <Group wrap="nowrap" align="flex-start" gap="sm">
              {onSelect && <Checkbox checked={selected?.has(rowKey(row)) ?? false} onChange={() => toggle(rowKey(row))} aria-label={t('table.select')} />}
              <Stack gap={4} flex={1} miw={0}>
                <Box fw={600}>{first?.cell(row)}</Box>
                {rest.filter((c) => !c.wideOnly).map((column) => (
                  <Group key={column.id} justify="space-between" gap="xs" wrap="nowrap">
                    <Text size="xs" c="dimmed">{column.label}</Text>
                    <Box fz="sm" ta="right" miw={0} style={{ overflowWrap: 'anywhere' }}>{column.cell(row)}</Box>
                  </Group>
                ))}
              </Stack>
            </Group>
          </Card>
        );
      })}
    </Stack>
  ) : (
    <Table.ScrollContainer minWidth={600}>
      <Table aria-busy={fetching} style={{ opacity: fetching ? 0.75 : 1 }}>
        <caption style={{ position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)' }}>{caption}</caption>
        <Table.Thead>
          <Table.Tr>
            {onSelect && (
              <Table.Th w={40}>
                <Checkbox checked={all} indeterminate={!all && rows.some((r) => selected?.has(rowKey(r)))} onChange={toggleAll} aria-label={t('table.selectAll')} />
              </Table.Th>
            )}
            {columns.map((column) => (
              <Table.Th key={column.id} w={column.width} ta={column.right ? 'right' : undefined} fz="xs" c="dimmed" fw={600}>
                {column.label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={rowKey(row)} bg={selected?.has(rowKey(row)) ? 'var(--mantine-primary-color-light)' : undefined}>
              {onSelect && (
                <Table.Td>
                  <Checkbox checked={selected?.has(rowKey(row)) ?? false} onChange={() => toggle(rowKey(row))} aria-label={t('table.select')} />
                </Table.Td>
              )}
              {columns.map((column) => (
                <Table.Td key={column.id} ta={column.right ? 'right' : undefined} style={column.right ? { fontVariantNumeric: 'tabular-nums' } : undefined}>
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );

  return (
    <Box>
      {error ? <Box p="md" pb={0}><Failure error={error} onRetry={onRetry} /></Box> : null}
      {rows.length === 0 ? empty : shown}
      {paging && (paging.onNext || paging.onPrevious) && (
        <Group justify="space-between" px="md" py="sm" gap="xs">
          <Text size="xs" c="dimmed">{paging.note}</Text>
          <Group gap="xs">
            <Button size="xs" variant="default" leftSection={<IconChevronLeft size={14} />} disabled={!paging.onPrevious} onClick={paging.onPrevious}>{t('table.previous')}</Button>
            <Button size="xs" variant="default" rightSection={<IconChevronRight size={14} />} disabled={!paging.onNext} onClick={paging.onNext}>{t('table.next')}</Button>
          </Group>
        </Group>
      )}
    </Box>
  );
}
