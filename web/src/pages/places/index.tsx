/** Groups, regions, products: one shape of page, three kinds of place. */
import { ActionIcon, Anchor, Button, Group as Row, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconEdit, IconMap2, IconPackage, IconPlus, IconTopologyStar3, IconTrash, type Icon } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { deviceQueries } from '@/entities/device';
import { type Group, type Product, type Region, placeQueries, usePlaceActions } from '@/entities/place';
import { EditGroup, EditProduct, EditRegion } from '@/features/places';
import { useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';
import { type Column, Confirm, DataTable, Empty, PageHeader, Panel, When } from '@/shared/ui';

interface Kind<T> {
  title: string;
  lead: string;
  none: string;
  create: string;
  icon: Icon;
  name: (row: T) => string;
  id: (row: T) => string;
  columns: Column<T>[];
  list: { data?: { items: T[] }; error: Error | null; refetch: () => unknown };
  edit: (value: T | null, close: () => void) => ReactNode;
  remove: { mutate: (id: string, options: { onSuccess: () => void; onError: (e: Error) => void }) => void; isPending: boolean };
}

function Places<T extends { created_at: string }>({ kind }: { kind: Kind<T> }) {
  const { t } = useTranslation();
  const me = useQuery(accountQueries.me());
  const [editing, setEditing] = useState<T | null | undefined>(undefined);
  const [removing, setRemoving] = useState<T | null>(null);
  const may = mayChange(me.data);
  const create = may && <Button leftSection={<IconPlus size={16} />} onClick={() => setEditing(null)}>{kind.create}</Button>;
  return (
    <>
      <PageHeader title={kind.title} description={kind.lead} actions={create} />
      <Panel pad={false}>
        <DataTable<T>
          caption={kind.title}
          rows={kind.list.data?.items}
          error={kind.list.error}
          onRetry={() => void kind.list.refetch()}
          rowKey={kind.id}
          empty={<Empty icon={kind.icon} title={kind.none} action={create} />}
          columns={[
            ...kind.columns,
            { id: 'at', label: t('form.created'), cell: (row) => <When at={row.created_at} />, wideOnly: true },
            ...(may
              ? [
                  {
                    id: 'do',
                    label: t('action.actions'),
                    right: true,
                    cell: (row: T) => (
                      <Row gap={4} justify="flex-end" wrap="nowrap">
                        <ActionIcon variant="subtle" aria-label={`${t('action.edit')} ${kind.name(row)}`} onClick={() => setEditing(row)}><IconEdit size={16} /></ActionIcon>
                        <ActionIcon variant="subtle" color="red" aria-label={`${t('action.remove')} ${kind.name(row)}`} onClick={() => setRemoving(row)}><IconTrash size={16} /></ActionIcon>
                      </Row>
                    ),
                  },
                ]
              : []),
          ]}
        />
      </Panel>
      {editing !== undefined && kind.edit(editing, () => setEditing(undefined))}
      <Confirm
        opened={removing !== null}
        onClose={() => setRemoving(null)}
        title={t('form.removeTitle', { name: removing ? kind.name(removing) : '' })}
        confirmLabel={t('action.remove')}
        danger
        busy={kind.remove.isPending}
        onConfirm={() =>
          removing &&
          kind.remove.mutate(kind.id(removing), {
            onSuccess: () => { toast.done(t('form.removed', { name: kind.name(removing) })); setRemoving(null); },
            onError: (e) => { toast.failed(t('form.notRemoved'), e); setRemoving(null); },
          })
        }
      >
        {t('form.removeText')}
      </Confirm>
    </>
  );
}

function useCounts() {
  const counts = useQuery(deviceQueries.counts());
  const f = useFormat();
  return useMemo(() => {
    const groups = new Map(counts.data?.by_group.map((g) => [g.group?.id, g.count]));
    const regions = new Map(counts.data?.by_region.map((r) => [r.region?.id, r.count]));
    return {
      group: (id: number, to: string) => <Anchor component={Link} to={to}>{f.number(groups.get(id) ?? 0)}</Anchor>,
      region: (id: number, to: string) => <Anchor component={Link} to={to}>{f.number(regions.get(id) ?? 0)}</Anchor>,
    };
  }, [counts.data, f]);
}

export function Groups() {
  const { t } = useTranslation();
  const list = useQuery(placeQueries.groups());
  const counts = useCounts();
  const { removeGroup } = usePlaceActions();
  return (
    <Places<Group>
      kind={{
        title: t('nav.groups'), lead: t('group.lead'), none: t('group.none'), create: t('group.create'), icon: IconTopologyStar3,
        name: (g) => g.name, id: (g) => g.name, list, remove: removeGroup,
        edit: (value, close) => <EditGroup value={value} onClose={close} />,
        columns: [
          { id: 'name', label: t('group.name'), cell: (g) => <Text fw={600} size="sm">{g.name}</Text> },
          { id: 'devices', label: t('nav.devices'), right: true, cell: (g) => counts.group(g.id, `/device?group=${encodeURIComponent(g.name)}`) },
        ],
      }}
    />
  );
}

export function Regions() {
  const { t } = useTranslation();
  const list = useQuery(placeQueries.regions());
  const counts = useCounts();
  const { removeRegion } = usePlaceActions();
  return (
    <Places<Region>
      kind={{
        title: t('nav.regions'), lead: t('region.lead'), none: t('region.none'), create: t('region.create'), icon: IconMap2,
        name: (r) => r.name, id: (r) => r.code, list, remove: removeRegion,
        edit: (value, close) => <EditRegion value={value} onClose={close} />,
        columns: [
          { id: 'name', label: t('region.name'), cell: (r) => <Text fw={600} size="sm">{r.name}</Text> },
          { id: 'code', label: t('region.code'), cell: (r) => r.code },
          { id: 'devices', label: t('nav.devices'), right: true, cell: (r) => counts.region(r.id, `/device?region=${encodeURIComponent(r.code)}`) },
        ],
      }}
    />
  );
}

export function Products() {
  const { t } = useTranslation();
  const f = useFormat();
  const list = useQuery(placeQueries.products());
  const { removeProduct } = usePlaceActions();
  return (
    <Places<Product>
      kind={{
        title: t('nav.products'), lead: t('product.lead'), none: t('product.noneYet'), create: t('product.create'), icon: IconPackage,
        name: (p) => p.name, id: (p) => p.name, list, remove: removeProduct,
        edit: (value, close) => <EditProduct value={value} onClose={close} />,
        columns: [
          { id: 'name', label: t('product.name'), cell: (p) => <Anchor component={Link} to={`/device?product=${encodeURIComponent(p.name)}`} fw={600} size="sm">{p.name}</Anchor> },
          { id: 'chip', label: t('product.chip'), cell: (p) => p.chip },
          { id: 'format', label: t('product.format'), cell: (p) => t(`product.format_${p.image_format}`) },
          { id: 'slot', label: t('product.slot'), right: true, cell: (p) => f.bytes(p.slot_size) },
          { id: 'display', label: t('product.screen'), cell: (p) => (p.display ? `${p.display.width} × ${p.display.height}, ${p.display.color_depth} bit` : '–') },
        ],
      }}
    />
  );
}
