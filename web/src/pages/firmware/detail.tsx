import { Anchor, Breadcrumbs, Button, Grid, Group, Menu, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconDots, IconDownload, IconRocket } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { Online, deviceQueries } from '@/entities/device';
import { FirmwareStateBadge, firmwareQueries, useFirmwareActions } from '@/entities/firmware';
import { Deploy } from '@/features/deploy';
import { useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';
import { Confirm, Copy, DataTable, Empty, Facts, Failure, Loading, PageHeader, Panel, When } from '@/shared/ui';
import { IconCpu } from '@tabler/icons-react';

const route = getRouteApi('/firmware/$id');

export function FirmwareDetail() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const { id } = route.useParams();
  const me = useQuery(accountQueries.me());
  const found = useQuery(firmwareQueries.one(id));
  const { address, change, remove } = useFirmwareActions();
  const [deploying, setDeploying] = useState(false);
  const [removing, setRemoving] = useState(false);
  const x = found.data;
  const devices = useQuery({ ...deviceQueries.list({ version: x?.version, product: x?.product.name }, undefined, 10), enabled: x !== undefined });
  if (found.error) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (!x) return <Loading />;
  const changing = mayChange(me.data);
  const download = () =>
    address.mutate(x.id, {
      onSuccess: ({ path }) => window.location.assign(path),
      onError: (error) => toast.failed(t('firmware.noDownload'), error),
    });
  const setState = (state: typeof x.state) =>
    change.mutate({ id: x.id, state }, { onSuccess: () => toast.done(t('form.saved', { name: x.version })), onError: (e) => toast.failed(t('form.notSaved'), e) });

  return (
    <>
      <PageHeader
        above={<Breadcrumbs fz="sm"><Anchor component={Link} to="/firmware/list" size="sm">{t('nav.firmware')}</Anchor><Text size="sm" c="dimmed">{x.product.name}</Text></Breadcrumbs>}
        title={<Group gap="sm">{x.version}<FirmwareStateBadge state={x.state} /></Group>}
        description={x.file_name}
        actions={
          <>
            <Button variant="default" leftSection={<IconDownload size={16} />} onClick={download} loading={address.isPending}>{t('firmware.download')}</Button>
            {changing && <Button leftSection={<IconRocket size={16} />} disabled={x.state !== 'released'} onClick={() => setDeploying(true)}>{t('deploy.deploy')}</Button>}
            {changing && (
              <Menu position="bottom-end">
                <Menu.Target><Button variant="default" px="xs" aria-label={t('action.more')}><IconDots size={18} /></Button></Menu.Target>
                <Menu.Dropdown>
                  {x.state !== 'released' && <Menu.Item onClick={() => setState('released')}>{t('firmware.release')}</Menu.Item>}
                  {x.state !== 'withdrawn' && <Menu.Item onClick={() => setState('withdrawn')}>{t('firmware.withdraw')}</Menu.Item>}
                  <Menu.Item color="red" onClick={() => setRemoving(true)}>{t('action.remove')}</Menu.Item>
                </Menu.Dropdown>
              </Menu>
            )}
          </>
        }
      />
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Panel title={t('firmware.facts')}>
            <Facts
              items={[
                [t('product.one'), x.product.name],
                [t('firmware.size'), `${f.bytes(x.size)} (${f.number(x.size)} B)`],
                ['SHA-256', <Copy key="sha" value={x.sha256}><Text span ff="monospace" size="xs">{x.sha256}</Text></Copy>],
                [t('product.format'), t(`product.format_${x.image.format}`)],
                ...(x.image.chip ? [[t('product.chip'), x.image.chip] as [string, string]] : []),
                ...(x.image.project ? [[t('firmware.project'), `${x.image.project} ${x.image.app_version ?? ''}`] as [string, string]] : []),
                ...(x.image.idf_version ? [['ESP-IDF', x.image.idf_version] as [string, string]] : []),
                ...(x.image.segments ? [[t('firmware.segments'), f.number(x.image.segments)] as [string, string]] : []),
                [t('form.created'), <When key="at" at={x.created_at} />],
              ]}
            />
          </Panel>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Panel title={t('firmware.notes')}>
            {x.release_notes ? <Text style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{x.release_notes}</Text> : <Text c="dimmed" size="sm">{t('firmware.noNotes')}</Text>}
          </Panel>
        </Grid.Col>
        <Grid.Col span={12}>
          <Panel pad={false} title={t('firmware.runsOn')} actions={<Anchor component={Link} to={`/device?version=${encodeURIComponent(x.version)}&product=${encodeURIComponent(x.product.name)}`} size="sm">{t('action.all')}</Anchor>}>
            <DataTable
              caption={t('firmware.runsOn')}
              rows={devices.data?.items}
              error={devices.error}
              rowKey={(d) => d.key}
              empty={<Empty icon={IconCpu} title={t('firmware.runsNowhere')} />}
              columns={[
                { id: 'key', label: t('device.key'), cell: (d) => <Anchor component={Link} to={`/device/${encodeURIComponent(d.key)}`}>{d.key}</Anchor> },
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
          payload={{ firmware: x.id }}
          what={`${x.product.name} ${x.version}`}
          product={x.product.name}
          size={x.size}
        />
      )}
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t('firmware.removeTitle', { version: x.version })}
        confirmLabel={t('action.remove')}
        danger
        busy={remove.isPending}
        onConfirm={() =>
          remove.mutate(x.id, {
            onSuccess: () => { toast.done(t('form.removed', { name: x.version })); void navigate({ to: '/firmware/list' }); },
            onError: (e) => { toast.failed(t('form.notRemoved'), e); setRemoving(false); },
          })
        }
      >
        {t('firmware.removeText')}
      </Confirm>
    </>
  );
}
