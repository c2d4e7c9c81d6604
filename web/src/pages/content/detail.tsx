import { Anchor, Breadcrumbs, Button, Grid, Group, Menu, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconCpu, IconDots, IconDownload, IconRocket } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { ContentStateBadge, Picture, contentQueries, useContentActions } from '@/entities/content';
import { Online } from '@/entities/device';
import { Deploy } from '@/features/deploy';
import { useFormat } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { toast } from '@/shared/lib/toast';
import { Confirm, DataTable, Empty, Facts, Failure, Hash, Loading, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/ads/$id');

export function ContentDetail() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const { id } = route.useParams();
  const me = useQuery(accountQueries.me());
  const found = useQuery(contentQueries.one(id));
  const [cursor, setCursor] = useState<string>();
  const devices = useQuery(contentQueries.devices(id, cursor));
  const pages = usePages(cursor, setCursor);
  const { change, remove } = useContentActions();
  const [deploying, setDeploying] = useState(false);
  const [removing, setRemoving] = useState(false);
  const c = found.data;
  if (found.error && !c) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (!c) return <Loading />;
  const may = mayChange(me.data);
  const setState = (state: typeof c.state) =>
    change.mutate({ id: c.id, state }, { onSuccess: () => toast.done(t('form.saved', { name: c.title })), onError: (e) => toast.failed(t('form.notSaved'), e) });
  return (
    <>
      <PageHeader
        above={<Breadcrumbs fz="sm"><Anchor component={Link} to="/ads/list" size="sm">{t('nav.contents')}</Anchor><Text size="sm" c="dimmed">{c.product.name}</Text></Breadcrumbs>}
        title={<Group gap="sm">{c.title}<ContentStateBadge state={c.state} /></Group>}
        description={c.description}
        actions={
          may && (
            <>
              <Button leftSection={<IconRocket size={16} />} disabled={c.state !== 'available'} onClick={() => setDeploying(true)}>{t('deploy.deploy')}</Button>
              <Menu position="bottom-end">
                <Menu.Target><Button variant="default" px="xs" aria-label={t('action.more')}><IconDots size={18} /></Button></Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item component="a" href={`/api/v1/contents/${c.id}/file`} download leftSection={<IconDownload size={16} />}>{t('content.downloadBinary')}</Menu.Item>
                  {c.state === 'available' ? <Menu.Item onClick={() => setState('withdrawn')}>{t('firmware.withdraw')}</Menu.Item> : <Menu.Item onClick={() => setState('available')}>{t('content.available')}</Menu.Item>}
                  <Menu.Item color="red" onClick={() => setRemoving(true)}>{t('action.remove')}</Menu.Item>
                </Menu.Dropdown>
              </Menu>
            </>
          )
        }
      />
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Panel title={t('content.preview')}>
            <Stack gap="xs">
              <Picture path={c.preview_path} title={c.title} width={c.width} height={c.height} />
              <Text size="xs" c="dimmed">{t('content.previewHint')}</Text>
            </Stack>
          </Panel>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Panel title={t('content.facts')}>
            <Facts
              items={[
                [t('product.one'), c.product.name],
                [t('content.shownBy'), f.number(c.shown_by ?? 0)],
                [t('product.screen'), `${c.width} × ${c.height}`],
                [t('content.format'), c.color_format],
                [t('firmware.size'), f.bytes(c.size)],
                ['SHA-256', <Hash key="h" value={c.sha256} />],
                [t('content.source'), `${c.file_name} (${c.source_width} × ${c.source_height})`],
                [t('content.made'), t(`contentMade.${c.made}`)],
                ...(c.fit ? [[t('content.fit'), t(`content.fit_${c.fit}`)] as [string, string]] : []),
                [t('form.created'), <When key="at" at={c.created_at} />],
              ]}
            />
          </Panel>
        </Grid.Col>
        <Grid.Col span={12}>
          <Panel pad={false} title={t('content.shownOn')}>
            <DataTable
              caption={t('content.shownOn')}
              rows={devices.data?.items}
              error={devices.error}
              onRetry={() => void devices.refetch()}
              rowKey={(d) => d.key}
              paging={pages(devices.data?.next)}
              empty={<Empty icon={IconCpu} title={t('content.shownNowhere')} />}
              columns={[
                { id: 'key', label: t('device.key'), cell: (d) => <Anchor component={Link} to={`/device/${encodeURIComponent(d.key)}`} fw={600}>{d.key}</Anchor> },
                { id: 'name', label: t('device.name'), cell: (d) => d.name },
                { id: 'region', label: t('region.one'), cell: (d) => d.region?.name ?? '–' },
                { id: 'online', label: t('device.connection'), cell: (d) => <Online online={d.online} since={d.online_changed_at} /> },
              ]}
            />
          </Panel>
        </Grid.Col>
      </Grid>
      {deploying && (
        <Deploy
          opened
          onClose={() => setDeploying(false)}
          onDone={(made) => void navigate({ to: '/firmware/deployment/$id', params: { id: String(made.id) } })}
          payload={{ contents: [`id:${c.id}`] }}
          what={c.title}
          product={c.product.name}
          size={c.size}
          above={<Picture path={c.preview_path} title={c.title} width={c.width} height={c.height} maw={280} />}
        />
      )}
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t('form.removeTitle', { name: c.title })}
        confirmLabel={t('action.remove')}
        danger
        busy={remove.isPending}
        onConfirm={() => remove.mutate(c.id, { onSuccess: () => { toast.done(t('form.removed', { name: c.title })); void navigate({ to: '/ads/list' }); }, onError: (e) => { toast.failed(t('form.notRemoved'), e); setRemoving(false); } })}
      >
        {t('content.removeText')}
      </Confirm>
    </>
  );
}
