/** Routes: what a link shows, and what stands in its search part. Unknown values are dropped rather than breaking the page. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import type { Outcome } from '@/entities/deployment';
import type { DeviceFilter } from '@/entities/device';
import type { ContentFilter } from '@/entities/content';
import type { FirmwareFilter } from '@/entities/firmware';
import { NotFound, Root } from './root';

const DEVICE_TABS = ['overview', 'charts', 'contents', 'logs', 'sales', 'updates', 'firmware', 'certificates'] as const;
type DeviceTab = (typeof DEVICE_TABS)[number];
type Search = Record<string, unknown>;
const text = (v: unknown) => (typeof v === 'string' && v !== '' ? v : typeof v === 'number' ? String(v) : undefined);
const flag = (v: unknown) => (v === true || v === 'true' ? true : v === false || v === 'false' ? false : undefined);
const one = <T extends string>(v: unknown, of: readonly T[]) => of.find((x) => x === v);

const root = createRootRoute({ component: Root, notFoundComponent: NotFound });

const overview = createRoute({ getParentRoute: () => root, path: '/', component: lazyRouteComponent(() => import('@/pages/overview'), 'Overview') });
const firmwareList = createRoute({
  getParentRoute: () => root,
  path: '/firmware/list',
  validateSearch: (s: Search): FirmwareFilter & { cursor?: string } => ({
    search: text(s.search), product: text(s.product), state: one(s.state, ['draft', 'released', 'withdrawn'] as const), cursor: text(s.cursor),
  }),
  component: lazyRouteComponent(() => import('@/pages/firmware'), 'FirmwareList'),
});
const firmwareDetail = createRoute({ getParentRoute: () => root, path: '/firmware/$id', component: lazyRouteComponent(() => import('@/pages/firmware'), 'FirmwareDetail') });
const deploymentList = createRoute({
  getParentRoute: () => root,
  path: '/firmware/deployment',
  validateSearch: (s: Search): { state?: string; search?: string; cursor?: string } => ({
    state: one(s.state, ['planning', 'running', 'paused', 'finished', 'canceled'] as const), search: text(s.search), cursor: text(s.cursor),
  }),
  component: lazyRouteComponent(() => import('@/pages/deployment'), 'DeploymentList'),
});
const deploymentDetail = createRoute({
  getParentRoute: () => root,
  path: '/firmware/deployment/$id',
  validateSearch: (s: Search): { outcome?: Outcome } => ({ outcome: one(s.outcome, ['success', 'in_progress', 'waiting', 'failed', 'timeout', 'canceled'] as const) }),
  component: lazyRouteComponent(() => import('@/pages/deployment'), 'DeploymentDetail'),
});
const deviceList = createRoute({
  getParentRoute: () => root,
  path: '/device',
  validateSearch: (s: Search): DeviceFilter & { cursor?: string } => ({
    search: text(s.search), product: text(s.product), group: text(s.group), region: text(s.region), version: text(s.version),
    state: one(s.state, ['active', 'unregistered', 'suspended'] as const), online: flag(s.online), cursor: text(s.cursor),
  }),
  component: lazyRouteComponent(() => import('@/pages/device'), 'DeviceList'),
});
const deviceDetail = createRoute({
  getParentRoute: () => root,
  path: '/device/$key',
  validateSearch: (s: Search): { tab?: DeviceTab } => ({ tab: one(s.tab, DEVICE_TABS) }),
  component: lazyRouteComponent(() => import('@/pages/device'), 'DeviceDetail'),
});
const contentList = createRoute({
  getParentRoute: () => root,
  path: '/ads/list',
  validateSearch: (s: Search): ContentFilter & { cursor?: string } => ({ search: text(s.search), product: text(s.product), state: one(s.state, ['available', 'withdrawn'] as const), cursor: text(s.cursor) }),
  component: lazyRouteComponent(() => import('@/pages/content'), 'ContentList'),
});
const contentDetail = createRoute({ getParentRoute: () => root, path: '/ads/$id', component: lazyRouteComponent(() => import('@/pages/content'), 'ContentDetail') });
const logs = createRoute({
  getParentRoute: () => root,
  path: '/logs',
  validateSearch: (s: Search): { search?: string; group?: string; region?: string; cursor?: string } => ({ search: text(s.search), group: text(s.group), region: text(s.region), cursor: text(s.cursor) }),
  component: lazyRouteComponent(() => import('@/pages/logs'), 'FleetLogs'),
});
const connections = createRoute({
  getParentRoute: () => root,
  path: '/connections',
  validateSearch: (s: Search): { cursor?: string } => ({ cursor: text(s.cursor) }),
  component: lazyRouteComponent(() => import('@/pages/connections'), 'Connections'),
});
const groups = createRoute({ getParentRoute: () => root, path: '/groups', component: lazyRouteComponent(() => import('@/pages/places'), 'Groups') });
const regions = createRoute({ getParentRoute: () => root, path: '/regions', component: lazyRouteComponent(() => import('@/pages/places'), 'Regions') });
const products = createRoute({ getParentRoute: () => root, path: '/products', component: lazyRouteComponent(() => import('@/pages/places'), 'Products') });
const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  validateSearch: (s: Search): { tab?: 'audit' | 'dead'; cursor?: string } => ({ tab: one(s.tab, ['audit', 'dead'] as const), cursor: text(s.cursor) }),
  component: lazyRouteComponent(() => import('@/pages/audit'), 'Audit'),
});
const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: lazyRouteComponent(() => import('@/pages/settings'), 'Settings') });

const tree = root.addChildren([overview, firmwareList, firmwareDetail, deploymentList, deploymentDetail, deviceList, deviceDetail, contentList, contentDetail, logs, connections, groups, regions, products, audit, settings]);

export const router = createRouter({ routeTree: tree, defaultPreload: 'intent', scrollRestoration: true });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
