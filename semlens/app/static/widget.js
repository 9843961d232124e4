// src/data/notebook.ts
var e = class {
	model;
	next = 0;
	waiting = /* @__PURE__ */ new Map();
	pictures = /* @__PURE__ */ new Map();
	constructor(e) {
		this.model = e, e.on("msg:custom", this.heard);
	}
	get(e) {
		return this.ask("GET", e);
	}
	async post(e, t) {
		let n = typeof t == "string" ? new TextEncoder().encode(t).buffer : await t.arrayBuffer();
		return this.ask("POST", e, n);
	}
	picture(e) {
		let t = this.pictures.get(e);
		if (t) return t;
		let n = this.get(e).then(({ body: e }) => URL.createObjectURL(new Blob([e], { type: "image/webp" })));
		return this.pictures.set(e, n), n;
	}
	close() {
		this.model.off("msg:custom", this.heard);
		for (let e of this.pictures.values()) e.then((e) => URL.revokeObjectURL(e));
	}
	ask(e, t, n) {
		let r = this.next++;
		return new Promise((i) => {
			this.waiting.set(r, i), this.model.send({
				id: r,
				method: e,
				path: t
			}, void 0, n ? [n] : []);
		});
	}
	heard = ({ id: e, status: t }, n) => {
		let [r] = n, i = r instanceof DataView ? r.buffer.slice(r.byteOffset, r.byteOffset + r.byteLength) : r;
		this.waiting.get(e)?.({
			status: t,
			body: i ?? /* @__PURE__ */ new ArrayBuffer(0)
		}), this.waiting.delete(e);
	};
}, t, n, r, i, a, o, s, c, l, u, d, f, p, m, h, g, _ = {}, v = [], y = /acit|ex(?:s|g|n|p|$)|rph|grid|ows|mnc|ntw|ine[ch]|zoo|^ord|itera/i, b = Array.isArray;
function x(e, t) {
	for (var n in t) e[n] = t[n];
	return e;
}
function S(e) {
	e && e.parentNode && e.parentNode.removeChild(e);
}
function C(e, n, r) {
	var i, a, o, s = {};
	for (o in n) o == "key" ? i = n[o] : o == "ref" ? a = n[o] : s[o] = n[o];
	if (arguments.length > 2 && (s.children = arguments.length > 3 ? t.call(arguments, 2) : r), typeof e == "function" && e.defaultProps != null) for (o in e.defaultProps) s[o] === void 0 && (s[o] = e.defaultProps[o]);
	return w(e, s, i, a, null);
}
function w(e, t, i, a, o) {
	var s = {
		type: e,
		props: t,
		key: i,
		ref: a,
		__k: null,
		__: null,
		__b: 0,
		__e: null,
		__c: null,
		constructor: void 0,
		__v: o ?? ++r,
		__i: -1,
		__u: 0
	};
	return o == null && n.vnode != null && n.vnode(s), s;
}
function T(e) {
	return e.children;
}
function ee(e, t) {
	this.props = e, this.context = t;
}
function te(e, t) {
	if (t == null) return e.__ ? te(e.__, e.__i + 1) : null;
	for (var n; t < e.__k.length; t++) if ((n = e.__k[t]) != null && n.__e != null) return n.__e;
	return typeof e.type == "function" ? te(e) : null;
}
function ne(e) {
	if (e.__P && e.__d) {
		var t = e.__v, r = t.__e, i = [], a = [], o = x({}, t);
		o.__v = t.__v + 1, n.vnode && n.vnode(o), pe(e.__P, o, t, e.__n, e.__P.namespaceURI, 32 & t.__u ? [r] : null, i, r ?? te(t), !!(32 & t.__u), a), o.__v = t.__v, o.__.__k[o.__i] = o, he(i, o, a), t.__e = t.__ = null, o.__e != r && re(o);
	}
}
function re(e) {
	if ((e = e.__) != null && e.__c != null) return e.__e = e.__c.base = null, e.__k.some(function(t) {
		if (t != null && t.__e != null) return e.__e = e.__c.base = t.__e;
	}), re(e);
}
function ie(e) {
	(!e.__d && (e.__d = !0) && a.push(e) && !ae.__r++ || o != n.debounceRendering) && ((o = n.debounceRendering) || s)(ae);
}
function ae() {
	try {
		for (var e, t = 1; a.length;) a.length > t && a.sort(c), e = a.shift(), t = a.length, ne(e);
	} finally {
		a.length = ae.__r = 0;
	}
}
function oe(e, t, n, r, i, a, o, s, c, l, u) {
	var d, f, p, m, h, g, y = r && r.__k || v, b = t.length;
	for (c = se(n, t, y, c, b), d = 0; d < b; d++) (p = n.__k[d]) != null && (f = p.__i != -1 && y[p.__i] || _, p.__i = d, g = pe(e, p, f, i, a, o, s, c, l, u), m = p.__e, p.ref && f.ref != p.ref && (f.ref && ve(f.ref, null, p), u.push(p.ref, p.__c || m, p)), h == null && m != null && (h = m), 4 & p.__u ? (c = ce(p, c, e), f.__e && (f.__e = null)) : typeof p.type == "function" && g !== void 0 ? c = g : m && (c = m.nextSibling), p.__u &= -7);
	return n.__e = h, c;
}
function se(e, t, n, r, i) {
	var a, o, s, c, l, u = n.length, d = u, f = 0;
	for (e.__k = Array(i), a = 0; a < i; a++) (o = t[a]) != null && typeof o != "boolean" && typeof o != "function" ? (typeof o == "string" || typeof o == "number" || typeof o == "bigint" || o.constructor == String ? o = e.__k[a] = w(null, o, null, null, null) : b(o) ? o = e.__k[a] = w(T, { children: o }, null, null, null) : o.constructor === void 0 && o.__b > 0 ? o = e.__k[a] = w(o.type, o.props, o.key, o.ref ? o.ref : null, o.__v) : e.__k[a] = o, c = a + f, o.__ = e, o.__b = e.__b + 1, s = null, (l = o.__i = le(o, n, c, d)) != -1 && (d--, (s = n[l]) && (s.__u |= 2)), s == null || s.__v == null ? (l == -1 && (i > u ? f-- : i < u && f++), typeof o.type != "function" && (o.__u |= 4)) : l != c && (l == c - 1 ? f-- : l == c + 1 ? f++ : (l > c ? f-- : f++, o.__u |= 4))) : e.__k[a] = null;
	if (d) for (a = 0; a < u; a++) (s = n[a]) != null && !(2 & s.__u) && (s.__e == r && (r = te(s)), ye(s, s));
	return r;
}
function ce(e, t, n) {
	var r, i;
	if (typeof e.type == "function") {
		for (r = e.__k, i = 0; r && i < r.length; i++) r[i] && (r[i].__ = e, t = ce(r[i], t, n));
		return t;
	}
	e.__e != t && (t && e.type && !t.parentNode && (t = te(e)), t = n.insertBefore(e.__e, t || null));
	do
		t &&= t.nextSibling;
	while (t != null && t.nodeType == 8);
	return t;
}
function le(e, t, n, r) {
	var i, a, o, s = e.key, c = e.type, l = t[n], u = l != null && !(2 & l.__u);
	if (l === null && s == null || u && s == l.key && c == l.type) return n;
	if (r > +!!u) {
		for (i = n - 1, a = n + 1; i >= 0 || a < t.length;) if ((l = t[o = i >= 0 ? i-- : a++]) != null && !(2 & l.__u) && s == l.key && c == l.type) return o;
	}
	return -1;
}
function ue(e, t, n) {
	t[0] == "-" ? e.setProperty(t, n ?? "") : e[t] = n == null ? "" : typeof n != "number" || y.test(t) ? n : n + "px";
}
function de(e, t, n, r, i) {
	var a, o;
	n: if (t == "style") {
		if (typeof n == "string") e.style.cssText = n;
		else {
			if (typeof r == "string" && (e.style.cssText = r = ""), r) for (t in r) n && t in n || ue(e.style, t, "");
			if (n) for (t in n) r && n[t] == r[t] || ue(e.style, t, n[t]);
		}
	} else if (t[0] == "o" && t[1] == "n") a = t != (t = t.replace(f, "$1")), o = t.toLowerCase(), t = o in e || t == "onFocusOut" || t == "onFocusIn" ? o.slice(2) : t.slice(2), e.l ||= {}, e.l[t + a] = n, n ? r ? n[d] = r[d] : (n[d] = p, e.addEventListener(t, a ? h : m, a)) : e.removeEventListener(t, a ? h : m, a);
	else {
		if (i == "http://www.w3.org/2000/svg") t = t.replace(/xlink(H|:h)/, "h").replace(/sName$/, "s");
		else if (t != "width" && t != "height" && t != "href" && t != "list" && t != "form" && t != "tabIndex" && t != "download" && t != "rowSpan" && t != "colSpan" && t != "role" && t != "popover" && t in e) try {
			e[t] = n ?? "";
			break n;
		} catch {}
		typeof n == "function" || (n == null || !1 === n && t[4] != "-" ? e.removeAttribute(t) : e.setAttribute(t, t == "popover" && n == 1 ? "" : n));
	}
}
function fe(e) {
	return function(t) {
		if (this.l) {
			var r = this.l[t.type + e];
			if (t[u] == null) t[u] = p++;
			else if (t[u] < r[d]) return;
			return r(n.event ? n.event(t) : t);
		}
	};
}
function pe(e, t, r, i, a, o, s, c, l, u) {
	var d, f, p, m, h, g, _, y, C, w, ne, re, ie, ae, se, ce, le = t.type;
	if (t.constructor !== void 0) return null;
	128 & r.__u && (l = !!(32 & r.__u), o = [c = t.__e = r.__e]), (d = n.__b) && d(t);
	n: if (typeof le == "function") {
		f = s.length;
		try {
			if (C = t.props, w = le.prototype && le.prototype.render, ne = (d = le.contextType) && i[d.__c], re = d ? ne ? ne.props.value : d.__ : i, r.__c ? y = (p = t.__c = r.__c).__ = p.__E : (w ? t.__c = p = new le(C, re) : (t.__c = p = new ee(C, re), p.constructor = le, p.render = be), ne && ne.sub(p), p.state || (p.state = {}), p.__n = i, m = p.__d = !0, p.__h = [], p._sb = []), w && p.__s == null && (p.__s = p.state), w && le.getDerivedStateFromProps != null && (p.__s == p.state && (p.__s = x({}, p.__s)), x(p.__s, le.getDerivedStateFromProps(C, p.__s))), h = p.props, g = p.state, p.__v = t, m) w && le.getDerivedStateFromProps == null && p.componentWillMount != null && p.componentWillMount(), w && p.componentDidMount != null && p.__h.push(p.componentDidMount);
			else {
				if (w && le.getDerivedStateFromProps == null && C !== h && p.componentWillReceiveProps != null && p.componentWillReceiveProps(C, re), t.__v == r.__v || !p.__e && p.shouldComponentUpdate != null && !1 === p.shouldComponentUpdate(C, p.__s, re)) {
					t.__v != r.__v && (p.props = C, p.state = p.__s, p.__d = !1), t.__e = r.__e, t.__k = r.__k, t.__k.some(function(e) {
						e && (e.__ = t);
					}), v.push.apply(p.__h, p._sb), p._sb = [], p.__h.length && s.push(p), c = te(r);
					break n;
				}
				p.componentWillUpdate != null && p.componentWillUpdate(C, p.__s, re), w && p.componentDidUpdate != null && p.__h.push(function() {
					p.componentDidUpdate(h, g, _);
				});
			}
			if (p.context = re, p.props = C, p.__P = e, p.__e = !1, ie = n.__r, ae = 0, w) p.state = p.__s, p.__d = !1, ie && ie(t), d = p.render(p.props, p.state, p.context), v.push.apply(p.__h, p._sb), p._sb = [];
			else do
				p.__d = !1, ie && ie(t), d = p.render(p.props, p.state, p.context), p.state = p.__s;
			while (p.__d && ++ae < 25);
			p.state = p.__s, p.getChildContext != null && (i = x(x({}, i), p.getChildContext())), w && !m && p.getSnapshotBeforeUpdate != null && (_ = p.getSnapshotBeforeUpdate(h, g)), se = d != null && d.type === T && d.key == null ? ge(d.props.children) : d, c = oe(e, b(se) ? se : [se], t, r, i, a, o, s, c, l, u), p.base = t.__e, t.__u &= -161, p.__h.length && s.push(p), y && (p.__E = p.__ = null);
		} catch (e) {
			if (s.length = f, t.__v = null, l || o != null) {
				if (e.then) {
					for (t.__u |= l ? 160 : 128; c && c.nodeType == 8 && c.nextSibling;) c = c.nextSibling;
					o != null && (o[o.indexOf(c)] = null), t.__e = c;
				} else if (o != null) for (ce = o.length; ce--;) S(o[ce]);
			} else t.__e = r.__e;
			t.__k ??= r.__k || [], e.then || me(t), n.__e(e, t, r);
		}
	} else o == null && t.__v == r.__v ? (t.__k = r.__k, t.__e = r.__e) : c = t.__e = _e(r.__e, t, r, i, a, o, s, l, u);
	return (d = n.diffed) && d(t), 128 & t.__u ? void 0 : c;
}
function me(e) {
	e && (e.__c && (e.__c.__e = !0), e.__k && e.__k.some(me));
}
function he(e, t, r) {
	for (var i = 0; i < r.length; i++) ve(r[i], r[++i], r[++i]);
	n.__c && n.__c(t, e), e.some(function(t) {
		try {
			e = t.__h, t.__h = [], e.some(function(e) {
				e.call(t);
			});
		} catch (e) {
			n.__e(e, t.__v);
		}
	});
}
function ge(e) {
	return typeof e != "object" || !e || e.__b > 0 ? e : b(e) ? e.map(ge) : e.constructor === void 0 ? x({}, e) : null;
}
function _e(e, r, i, a, o, s, c, l, u) {
	var d, f, p, m, h, g, v, y = i.props || _, x = r.props, C = r.type;
	if (C == "svg" ? o = "http://www.w3.org/2000/svg" : C == "math" ? o = "http://www.w3.org/1998/Math/MathML" : o ||= "http://www.w3.org/1999/xhtml", s != null) {
		for (d = 0; d < s.length; d++) if ((h = s[d]) && "setAttribute" in h == !!C && (C ? h.localName == C : h.nodeType == 3)) {
			e = h, s[d] = null;
			break;
		}
	}
	if (e == null) {
		if (C == null) return document.createTextNode(x);
		e = document.createElementNS(o, C, x.is && x), l &&= (n.__m && n.__m(r, s), !1), s = null;
	}
	if (C == null) y === x || l && e.data == x || (e.data = x);
	else {
		if (s = C == "textarea" && x.defaultValue != null ? null : s && t.call(e.childNodes), !l && s != null) for (y = {}, d = 0; d < e.attributes.length; d++) y[(h = e.attributes[d]).name] = h.value;
		for (d in y) h = y[d], d == "dangerouslySetInnerHTML" ? p = h : d == "children" || d in x || d == "value" && "defaultValue" in x || d == "checked" && "defaultChecked" in x || de(e, d, null, h, o);
		for (d in x) h = x[d], d == "children" ? m = h : d == "dangerouslySetInnerHTML" ? f = h : d == "value" ? g = h : d == "checked" ? v = h : l && typeof h != "function" || y[d] === h || de(e, d, h, y[d], o);
		if (f) l || p && (f.__html == p.__html || f.__html == e.innerHTML) || (e.innerHTML = f.__html), r.__k = [];
		else if (p && (e.innerHTML = ""), oe(r.type == "template" ? e.content : e, b(m) ? m : [m], r, i, a, C == "foreignObject" ? "http://www.w3.org/1999/xhtml" : o, s, c, s ? s[0] : i.__k && te(i, 0), l, u), s != null) for (d = s.length; d--;) S(s[d]);
		l && C != "textarea" || (d = "value", C == "progress" && g == null ? e.removeAttribute("value") : g != null && (g !== e[d] || C == "progress" && !g || C == "option" && g != y[d]) && de(e, d, g, y[d], o), d = "checked", v != null && v != e[d] && de(e, d, v, y[d], o));
	}
	return e;
}
function ve(e, t, r) {
	try {
		if (typeof e == "function") {
			var i = typeof e.__u == "function";
			i && e.__u(), i && t == null || (e.__u = e(t));
		} else e.current = t;
	} catch (e) {
		n.__e(e, r);
	}
}
function ye(e, t, r) {
	var i, a;
	if (n.unmount && n.unmount(e), (i = e.ref) && (i.current && i.current != e.__e || ve(i, null, t)), (i = e.__c) != null) {
		if (i.componentWillUnmount) try {
			i.componentWillUnmount();
		} catch (e) {
			n.__e(e, t);
		}
		i.base = i.__P = i.__n = null;
	}
	if (i = e.__k) for (a = 0; a < i.length; a++) i[a] && ye(i[a], t, r || typeof e.type != "function");
	r || S(e.__e), e.__c = e.__ = e.__e = void 0;
}
function be(e, t, n) {
	return this.constructor(e, n);
}
function xe(e, r, i) {
	var a, o, s, c;
	r == document && (r = document.documentElement), n.__ && n.__(e, r), o = (a = typeof i == "function") ? null : i && i.__k || r.__k, s = [], c = [], pe(r, e = (!a && i || r).__k = C(T, null, [e]), o || _, _, r.namespaceURI, !a && i ? [i] : o ? null : r.firstChild ? t.call(r.childNodes) : null, s, !a && i ? i : o ? o.__e : r.firstChild, a, c), he(s, e, c), e.props.children = null;
}
function Se(e) {
	function t(e) {
		var n, r;
		return this.getChildContext || (n = /* @__PURE__ */ new Set(), (r = {})[t.__c] = this, this.getChildContext = function() {
			return r;
		}, this.componentWillUnmount = function() {
			n = null;
		}, this.shouldComponentUpdate = function(e) {
			this.props.value != e.value && n.forEach(function(e) {
				e.__e = !0, ie(e);
			});
		}, this.sub = function(e) {
			n.add(e);
			var t = e.componentWillUnmount;
			e.componentWillUnmount = function() {
				n && n.delete(e), t && t.call(e);
			};
		}), e.children;
	}
	return t.__c = "__cC" + g++, t.__ = e, t.Provider = t.__l = (t.Consumer = function(e, t) {
		return e.children(t);
	}).contextType = t, t;
}
t = v.slice, n = { __e: function(e, t, n, r) {
	for (var i, a, o; t = t.__;) if ((i = t.__c) && !i.__) try {
		if ((a = i.constructor) && a.getDerivedStateFromError != null && (i.setState(a.getDerivedStateFromError(e)), o = i.__d), i.componentDidCatch != null && (i.componentDidCatch(e, r || {}), o = i.__d), o) return i.__E = i;
	} catch (t) {
		e = t;
	}
	throw e;
} }, r = 0, i = function(e) {
	return e != null && e.constructor === void 0;
}, ee.prototype.setState = function(e, t) {
	var n = this.__s != null && this.__s != this.state ? this.__s : this.__s = x({}, this.state);
	typeof e == "function" && (e = e(x({}, n), this.props)), e && x(n, e), e != null && this.__v && (t && this._sb.push(t), ie(this));
}, ee.prototype.forceUpdate = function(e) {
	this.__v && (this.__e = !0, e && this.__h.push(e), ie(this));
}, ee.prototype.render = T, a = [], s = typeof Promise == "function" ? Promise.prototype.then.bind(Promise.resolve()) : setTimeout, c = function(e, t) {
	return e.__v.__b - t.__v.__b;
}, ae.__r = 0, l = Math.random().toString(8), u = "__d" + l, d = "__a" + l, f = /(PointerCapture)$|Capture$/i, p = 0, m = fe(!1), h = fe(!0), g = 0;
// node_modules/preact/hooks/dist/hooks.module.js
var Ce, E, we, Te, Ee = 0, De = [], D = n, Oe = D.__b, ke = D.__r, Ae = D.diffed, je = D.__c, Me = D.unmount, Ne = D.__;
function Pe(e, t) {
	D.__h && D.__h(E, e, Ee || t), Ee = 0;
	var n = E.__H || (E.__H = {
		__: [],
		__h: []
	});
	return e >= n.__.length && n.__.push({}), n.__[e];
}
function O(e) {
	return Ee = 1, Fe(Ge, e);
}
function Fe(e, t, n) {
	var r = Pe(Ce++, 2);
	if (r.t = e, !r.__c && (r.__ = [n ? n(t) : Ge(void 0, t), function(e) {
		var t = r.__N ? r.__N[0] : r.__[0], n = r.t(t, e);
		t !== n && (r.__N = [n, r.__[1]], r.__c.setState({}));
	}], r.__c = E, !E.__f)) {
		var i = function(e, t, n) {
			if (!r.__c.__H) return !0;
			var i = !1, o = r.__c.props !== e;
			if (r.__c.__H.__.some(function(e) {
				if (e.__N) {
					i = !0;
					var t = e.__[0];
					e.__ = e.__N, e.__N = void 0, t !== e.__[0] && (o = !0);
				}
			}), a) {
				var s = a.call(this, e, t, n);
				return i ? s || o : s;
			}
			return !i || o;
		};
		E.__f = !0;
		var a = E.shouldComponentUpdate, o = E.componentWillUpdate;
		E.componentWillUpdate = function(e, t, n) {
			if (this.__e) {
				var r = a;
				a = void 0, i(e, t, n), a = r;
			}
			o && o.call(this, e, t, n);
		}, E.shouldComponentUpdate = i;
	}
	return r.__N || r.__;
}
function k(e, t) {
	var n = Pe(Ce++, 3);
	!D.__s && We(n.__H, t) && (n.__ = e, n.u = t, E.__H.__h.push(n));
}
function A(e, t) {
	var n = Pe(Ce++, 4);
	!D.__s && We(n.__H, t) && (n.__ = e, n.u = t, E.__h.push(n));
}
function j(e) {
	return Ee = 5, M(function() {
		return { current: e };
	}, []);
}
function M(e, t) {
	var n = Pe(Ce++, 7);
	return We(n.__H, t) && (n.__ = e(), n.__H = t, n.__h = e), n.__;
}
function Ie(e, t) {
	return Ee = 8, M(function() {
		return e;
	}, t);
}
function Le(e) {
	var t = E.context[e.__c], n = Pe(Ce++, 9);
	return n.c = e, t ? (n.__ ?? (n.__ = !0, t.sub(E)), t.props.value) : e.__;
}
function Re() {
	var e = Pe(Ce++, 11);
	if (!e.__) {
		for (var t = E.__v; t !== null && !t.__m && t.__ !== null;) t = t.__;
		var n = t.__m || (t.__m = [0, 0]);
		e.__ = "P" + n[0] + "-" + n[1]++;
	}
	return e.__;
}
function ze() {
	for (var e; e = De.shift();) {
		var t = e.__H;
		if (e.__P && t) try {
			t.__h.some(He), t.__h.some(Ue), t.__h = [];
		} catch (n) {
			t.__h = [], D.__e(n, e.__v);
		}
	}
}
D.__b = function(e) {
	E = null, Oe && Oe(e);
}, D.__ = function(e, t) {
	e && t.__k && t.__k.__m && (e.__m = t.__k.__m), Ne && Ne(e, t);
}, D.__r = function(e) {
	ke && ke(e), Ce = 0;
	var t = (E = e.__c).__H;
	t && (we === E ? (t.__h = [], E.__h = [], t.__.some(function(e) {
		e.__N && (e.__ = e.__N), e.u = e.__N = void 0;
	})) : (t.__h.some(He), t.__h.some(Ue), t.__h = [], Ce = 0)), we = E;
}, D.diffed = function(e) {
	Ae && Ae(e);
	var t = e.__c;
	t && t.__H && (t.__H.__h.length && (De.push(t) !== 1 && Te === D.requestAnimationFrame || ((Te = D.requestAnimationFrame) || Ve)(ze)), t.__H.__.some(function(e) {
		e.u &&= (e.__H = e.u, void 0);
	})), we = E = null;
}, D.__c = function(e, t) {
	t.some(function(e) {
		try {
			e.__h.some(He), e.__h = e.__h.filter(function(e) {
				return !e.__ || Ue(e);
			});
		} catch (n) {
			t.some(function(e) {
				e.__h &&= [];
			}), t = [], D.__e(n, e.__v);
		}
	}), je && je(e, t);
}, D.unmount = function(e) {
	Me && Me(e);
	var t, n = e.__c;
	n && n.__H && (n.__H.__.some(function(e) {
		try {
			He(e);
		} catch (e) {
			t = e;
		}
	}), n.__H = void 0, t && D.__e(t, n.__v));
};
var Be = typeof requestAnimationFrame == "function";
function Ve(e) {
	var t, n = function() {
		clearTimeout(r), Be && cancelAnimationFrame(t), setTimeout(e);
	}, r = setTimeout(n, 35);
	Be && (t = requestAnimationFrame(n));
}
function He(e) {
	var t = E, n = e.__c;
	typeof n == "function" && (e.__c = void 0, n()), E = t;
}
function Ue(e) {
	var t = E;
	e.__c = e.__(), E = t;
}
function We(e, t) {
	return !e || e.length !== t.length || t.some(function(t, n) {
		return t !== e[n];
	});
}
function Ge(e, t) {
	return typeof t == "function" ? t(e) : t;
}
// node_modules/@preact/signals-core/dist/signals-core.module.js
var Ke = Symbol.for("preact-signals");
function qe() {
	if (Qe > 1) Qe--;
	else {
		var e, t = !1;
		for ((function() {
			var e = nt;
			for (nt = void 0; e !== void 0;) {
				var t = e.S;
				if (t.v === e.v) for (var n = t.t; n !== void 0; n = n.x) n.i === e.i && (n.i = t.i);
				e = e.o;
			}
		})(); Ze !== void 0;) {
			var n = Ze;
			for (Ze = void 0, $e++; n !== void 0;) {
				var r = n.u;
				if (n.u = void 0, n.f &= -3, !(8 & n.f) && at(n)) try {
					n.c();
				} catch (n) {
					t ||= (e = n, !0);
				}
				n = r;
			}
		}
		if ($e = 0, Qe--, t) throw e;
	}
}
function Je(e) {
	if (Qe > 0) return e();
	tt = ++et, Qe++;
	try {
		return e();
	} finally {
		qe();
	}
}
var Ye, N = void 0;
function Xe(e) {
	var t = N, n = Ye;
	N = void 0, Ye = void 0;
	try {
		return e();
	} finally {
		N = t, Ye = n;
	}
}
var Ze = void 0, Qe = 0, $e = 0, et = 0, tt = 0, nt = void 0, rt = 0;
function it(e) {
	if (N !== void 0) {
		var t = e.n;
		if (t === void 0 || t.t !== N) return t = {
			i: 0,
			S: e,
			p: N.s,
			n: void 0,
			t: N,
			e: void 0,
			x: void 0,
			r: t
		}, N.s !== void 0 && (N.s.n = t), N.s = t, e.n = t, 32 & N.f && e.S(t), t;
		if (t.i === -1) return t.i = 0, t.n !== void 0 && (t.n.p = t.p, t.p !== void 0 && (t.p.n = t.n), t.p = N.s, t.n = void 0, N.s.n = t, N.s = t), t;
	}
}
function P(e, t) {
	this.v = e, this.i = 0, this.n = void 0, this.t = void 0, this.l = 0, this.W = t?.watched, this.Z = t?.unwatched, this.name = t?.name;
}
P.prototype.brand = Ke, P.prototype.h = function() {
	return !0;
}, P.prototype.S = function(e) {
	var t = this, n = this.t;
	n !== e && e.e === void 0 && (e.x = n, this.t = e, n === void 0 ? Xe(function() {
		var e;
		(e = t.W) == null || e.call(t);
	}) : n.e = e);
}, P.prototype.U = function(e) {
	var t = this;
	if (this.t !== void 0) {
		var n = e.e, r = e.x;
		n !== void 0 && (n.x = r, e.e = void 0), r !== void 0 && (r.e = n, e.x = void 0), e === this.t && (this.t = r, r === void 0 && Xe(function() {
			var e;
			(e = t.Z) == null || e.call(t);
		}));
	}
}, P.prototype.subscribe = function(e) {
	var t = this;
	return L(function() {
		var n = t.value;
		Xe(function() {
			return e(n);
		});
	}, { name: "sub" });
}, P.prototype.valueOf = function() {
	return this.value;
}, P.prototype.toString = function() {
	return this.value + "";
}, P.prototype.toJSON = function() {
	return this.value;
}, P.prototype.peek = function() {
	var e = this;
	return Xe(function() {
		return e.value;
	});
}, Object.defineProperty(P.prototype, "value", {
	get: function() {
		var e = it(this);
		return e !== void 0 && (e.i = this.i), this.v;
	},
	set: function(e) {
		if (e !== this.v) {
			if ($e > 100) throw Error("Cycle detected");
			(function(e) {
				Qe !== 0 && $e === 0 && e.l !== tt && (e.l = tt, nt = {
					S: e,
					v: e.v,
					i: e.i,
					o: nt
				});
			})(this), this.v = e, this.i++, rt++, Qe++;
			try {
				for (var t = this.t; t !== void 0; t = t.x) t.t.N();
			} finally {
				qe();
			}
		}
	}
});
function F(e, t) {
	return new P(e, t);
}
function at(e) {
	for (var t = e.s; t !== void 0; t = t.n) if (t.S.i !== t.i || !t.S.h() || t.S.i !== t.i) return !0;
	return !1;
}
function ot(e) {
	for (var t = e.s; t !== void 0; t = t.n) {
		var n = t.S.n;
		if (n !== void 0 && (t.r = n), t.S.n = t, t.i = -1, t.n === void 0) {
			e.s = t;
			break;
		}
	}
}
function st(e) {
	for (var t = e.s, n = void 0; t !== void 0;) {
		var r = t.p;
		t.i === -1 ? (t.S.U(t), r !== void 0 && (r.n = t.n), t.n !== void 0 && (t.n.p = r)) : n = t, t.S.n = t.r, t.r !== void 0 && (t.r = void 0), t = r;
	}
	e.s = n;
}
function ct(e, t) {
	P.call(this, void 0, t), this.x = e, this.s = void 0, this.g = rt - 1, this.f = 4;
}
ct.prototype = new P(), ct.prototype.h = function() {
	if (this.f &= -3, 1 & this.f) return !1;
	if ((36 & this.f) == 32 || (this.f &= -5, this.g === rt)) return !0;
	if (this.g = rt, this.f |= 1, this.i > 0 && !at(this)) return this.f &= -2, !0;
	var e = N;
	try {
		ot(this), N = this;
		var t = this.x();
		(16 & this.f || this.v !== t || this.i === 0) && (this.v = t, this.f &= -17, this.i++);
	} catch (e) {
		this.v = e, this.f |= 16, this.i++;
	}
	return N = e, st(this), this.f &= -2, !0;
}, ct.prototype.S = function(e) {
	if (this.t === void 0) {
		this.f |= 36;
		for (var t = this.s; t !== void 0; t = t.n) t.S.S(t);
	}
	P.prototype.S.call(this, e);
}, ct.prototype.U = function(e) {
	if (this.t !== void 0 && (P.prototype.U.call(this, e), this.t === void 0)) {
		this.f &= -33;
		for (var t = this.s; t !== void 0; t = t.n) t.S.U(t);
	}
}, ct.prototype.N = function() {
	if (!(2 & this.f)) {
		this.f |= 6;
		for (var e = this.t; e !== void 0; e = e.x) e.t.N();
	}
}, Object.defineProperty(ct.prototype, "value", { get: function() {
	if (1 & this.f) throw Error("Cycle detected");
	var e = it(this);
	if (this.h(), e !== void 0 && (e.i = this.i), 16 & this.f) throw this.v;
	return this.v;
} });
function I(e, t) {
	return new ct(e, t);
}
function lt(e) {
	var t = e.j;
	if (e.j = void 0, typeof t == "function") {
		Qe++;
		var n = N;
		N = void 0;
		try {
			t();
		} catch (t) {
			throw e.f &= -2, e.f |= 8, ut(e), t;
		} finally {
			N = n, qe();
		}
	}
}
function ut(e) {
	for (var t = e.s; t !== void 0; t = t.n) t.S.U(t);
	e.x = void 0, e.s = void 0, lt(e);
}
function dt(e) {
	if (N !== this) throw Error("Out-of-order effect");
	st(this), N = e, this.f &= -2;
	try {
		8 & this.f && ut(this);
	} finally {
		qe();
	}
}
function ft(e, t) {
	this.x = e, this.j = void 0, this.s = void 0, this.u = void 0, this.f = 32, this.name = t?.name, Ye && Ye.push(this);
}
ft.prototype.c = function() {
	var e = this.S();
	try {
		if (8 & this.f || this.x === void 0) return;
		var t = this.x();
		typeof t == "function" && (this.j = t);
	} finally {
		e();
	}
}, ft.prototype.S = function() {
	if (1 & this.f) throw Error("Cycle detected");
	this.f |= 1, this.f &= -9, lt(this), ot(this), Qe++;
	var e = N;
	return N = this, dt.bind(this, e);
}, ft.prototype.N = function() {
	2 & this.f || (this.f |= 2, this.u = Ze, Ze = this);
}, ft.prototype.d = function() {
	this.f |= 8, 1 & this.f || ut(this);
}, ft.prototype.dispose = function() {
	this.d();
};
function L(e, t) {
	var n = new ft(e, t);
	try {
		n.c();
	} catch (e) {
		throw n.d(), e;
	}
	var r = n.d.bind(n);
	return r[Symbol.dispose] = r, r;
}
// node_modules/@preact/signals/dist/signals.module.js
var pt, mt, ht, gt = typeof window < "u" && !!window.__PREACT_SIGNALS_DEVTOOLS__, _t = [];
L(function() {
	pt = this.N;
})();
function vt(e, t) {
	n[e] = t.bind(null, n[e] || function() {});
}
function yt(e) {
	if (ht) {
		var t = ht;
		ht = void 0, t();
	}
	ht = e && e.S();
}
function bt(e) {
	var t = this, n = e.data, r = St(n);
	r.name = "ReactiveDom", r.value = n;
	var a = M(function() {
		for (var e = t, n = t.__v; n = n.__;) if (n.__c) {
			n.__c.__$f |= 4;
			break;
		}
		var a = I(function() {
			var e = r.value.value;
			return e === 0 ? 0 : !0 === e ? "" : e || "";
		}), o = I(function() {
			return !Array.isArray(a.value) && !i(a.value);
		}), s = L(function() {
			if (this.N = Et, o.value) {
				var t = a.value;
				e.__v && e.__v.__e && e.__v.__e.nodeType === 3 && (e.__v.__e.data = t);
			}
		}), c = t.__$u.d;
		return t.__$u.d = function() {
			s(), c.call(this);
		}, [o, a];
	}, []), o = a[0], s = a[1];
	return o.value ? s.peek() : s.value;
}
bt.displayName = "ReactiveTextNode", Object.defineProperties(P.prototype, {
	constructor: {
		configurable: !0,
		value: C(T, null).constructor
	},
	type: {
		configurable: !0,
		value: bt
	},
	props: {
		configurable: !0,
		get: function() {
			var e = this;
			return { data: { get value() {
				return e.value;
			} } };
		}
	},
	__b: {
		configurable: !0,
		value: 1
	}
}), vt("__b", function(e, t) {
	if (yt(), mt = void 0, typeof t.type == "string") {
		var n, r = t.props;
		for (var i in r) if (i !== "children") {
			var a = r[i];
			a instanceof P && (n || (t.__np = n = {}), n[i] = a, r[i] = a.peek());
		}
	}
	e(t);
}), vt("__r", function(e, t) {
	if (e(t), t.type !== T) {
		yt();
		var n, r = t.__c;
		r && (r.__$f &= -2, (n = r.__$u) === void 0 && (r.__$u = n = function(e, t) {
			var n;
			return L(function() {
				n = this;
			}, { name: t }), n.c = e, n;
		}(function(e) {
			return function() {
				var t;
				gt && ((t = this.y) == null || t.call(this)), e.__$f |= 1, e.setState({});
			};
		}(r), typeof t.type == "function" ? t.type.displayName || t.type.name : ""))), mt = r, yt(n);
	}
}), vt("__e", function(e, t, n, r) {
	yt(), mt = void 0, e(t, n, r);
}), vt("diffed", function(e, t) {
	yt(), mt = void 0;
	var n;
	if (typeof t.type == "string" && (n = t.__e)) {
		var r = t.__np, i = t.props, a = n.U;
		if (a) for (var o in a) {
			var s = a[o];
			s === void 0 || r && o in r || (s.d(), a[o] = void 0);
		}
		if (r) for (var c in a || (a = {}, n.U = a), r) {
			var l = a[c], u = r[c];
			l === void 0 ? (l = xt(n, c, u, i), a[c] = l) : l.o(u, i);
		}
	}
	e(t);
});
function xt(e, t, n, r) {
	var i = t in e && e.ownerSVGElement === void 0, a = F(n);
	return {
		o: function(e, t) {
			a.value = e, r = t;
		},
		d: L(function() {
			this.N = Et;
			var n = a.value.value;
			r[t] !== n && (r[t] = n, i ? e[t] = n : n != null && (!1 !== n || t[4] === "-") ? e.setAttribute(t, n) : e.removeAttribute(t));
		})
	};
}
vt("unmount", function(e, t) {
	if (typeof t.type == "string") {
		var n = t.__e;
		if (n) {
			var r = n.U;
			if (r) for (var i in n.U = void 0, r) {
				var a = r[i];
				a && a.d();
			}
		}
		var o = t.__np;
		if (o) {
			var s = t.props;
			for (var c in o) s[c] = o[c];
		}
		t.__np = void 0;
	} else {
		var l = t.__c;
		if (l) {
			l.__$f |= 8;
			var u = l.__$u;
			u && (l.__$u = void 0, u.d());
		}
	}
	e(t);
}), vt("__h", function(e, t, n, r) {
	r < 3 && (t.__$f |= 2), e(t, n, r);
}), ee.prototype.shouldComponentUpdate = function(e, t) {
	if (this.__R) return !0;
	var n = this.__$u, r = n && n.s !== void 0;
	for (var i in t) return !0;
	if (this.__f || typeof this.u == "boolean" && !0 === this.u) {
		var a = 2 & this.__$f;
		if (!(r || a || 4 & this.__$f) || 1 & this.__$f) return !0;
	} else if (!(r || 4 & this.__$f) || 3 & this.__$f) return !0;
	for (var o in e) if (o !== "__source" && e[o] !== this.props[o]) return !0;
	for (var s in this.props) if (!(s in e)) return !0;
	return !1;
};
function St(e, t) {
	return M(function() {
		return F(e, t);
	}, []);
}
function Ct(e, t) {
	var n = j(e);
	return n.current = e, mt.__$f |= 4, M(function() {
		return I(function() {
			return n.current();
		}, t);
	}, []);
}
var wt = function(e) {
	queueMicrotask(function() {
		queueMicrotask(e);
	});
};
function Tt() {
	Je(function() {
		for (var e; e = _t.shift();) pt.call(e);
	});
}
function Et() {
	_t.push(this) === 1 && (n.requestAnimationFrame || wt)(Tt);
}
// src/data/place.ts
var Dt = [
	"i",
	"q",
	"image",
	"layers",
	"words",
	"cluster",
	"tag",
	"sel",
	"class"
];
function Ot(e) {
	let [t = "", n = ""] = e.replace(/^#?\/?/, "").split("?", 2);
	return {
		path: t.split("/").filter(Boolean).map(decodeURIComponent),
		params: new URLSearchParams(n)
	};
}
function kt(e, t) {
	let n = t.toString().replace(/%2C/g, ",").replace(/%3A/g, ":");
	return `#/${e.map(encodeURIComponent).join("/")}${n ? `?${n}` : ""}`;
}
function At(e, t) {
	let n = new URLSearchParams(e);
	for (let [e, r] of Object.entries(t)) r == null || r === "" ? n.delete(e) : n.set(e, String(r));
	return n;
}
function jt(e) {
	return new URLSearchParams([...e].filter(([e]) => Dt.includes(e)));
}
function Mt(e, t) {
	let n = F(Ot(e())), r = () => {
		n.value = Ot(e());
	}, i = (e, i = {}, a = !1) => {
		t(kt(e, At(e.join("/") === n.peek().path.join("/") ? n.peek().params : jt(n.peek().params), i)), a), r();
	};
	return {
		route: n,
		update: r,
		go: i,
		open: (e) => {
			t(e, !1), r();
		},
		href: (e, t = {}) => kt(e, At(jt(n.value.params), t)),
		set: (e, t = !1) => i(n.peek().path, e, t)
	};
}
function Nt(e = "") {
	let t = e;
	return Mt(() => t, (e) => {
		t = e;
	});
}
// src/data/transport.ts
var Pt = class extends Error {
	status;
	constructor(e, t) {
		super(t), this.status = e;
	}
}, Ft = class extends Error {
	job;
	constructor(e) {
		super(e ? `${e.step}: ${e.done} of ${e.total}` : "being computed"), this.job = e;
	}
}, It = new TextDecoder();
function Lt(e) {
	if (e.status === 200) return e.body;
	if (e.status === 202) throw new Ft(JSON.parse(It.decode(e.body)));
	let t = `the server answered ${e.status}`;
	try {
		t = JSON.parse(It.decode(e.body)).error ?? t;
	} catch {}
	throw new Pt(e.status, t);
}
function R(e) {
	return JSON.parse(It.decode(Lt(e)));
}
// src/data/load.ts
var Rt = 400;
async function zt(e, t, n) {
	for (; !n?.aborted;) try {
		let r = await e();
		n?.aborted || (t.value = {
			state: "ready",
			value: r
		});
		return;
	} catch (e) {
		if (n?.aborted || e instanceof Error && e.name === "AbortError") return;
		if (!(e instanceof Ft)) {
			t.value = {
				state: "absent",
				why: e instanceof Error ? e.message : String(e)
			};
			return;
		}
		t.value = {
			state: "loading",
			job: e.job
		}, await new Promise((e) => setTimeout(e, Rt));
	}
}
function Bt(e, t) {
	let n = F({
		state: "loading",
		job: null
	});
	return zt(e, n, t), n;
}
function z(e) {
	return e.state === "ready" ? e.value : void 0;
}
// src/data/safetensors.ts
var Vt = {
	F32: Float32Array,
	I32: Int32Array,
	U8: Uint8Array
};
function Ht(e) {
	let t = Number(new DataView(e).getBigUint64(0, !0)), { __metadata__: n, ...r } = JSON.parse(new TextDecoder().decode(new Uint8Array(e, 8, t))), i = JSON.parse(n?.told ?? "{}"), a = {};
	for (let [n, i] of Object.entries(r)) {
		let r = Vt[i.dtype];
		if (!r) throw Error(`array ${n} is of kind ${i.dtype}, which this page does not read`);
		let [o, s] = i.data_offsets.map((e) => e + 8 + t);
		a[n] = new r(e.slice(o, s));
	}
	return {
		arrays: a,
		metadata: i
	};
}
// src/data/indexed.ts
var Ut = class {
	number;
	info;
	base;
	names;
	transport;
	count;
	labels;
	scores;
	atlas;
	annotations = F({
		where: "",
		rows: [],
		undo: null
	});
	annotated = I(() => new Map(this.annotations.value.rows.map((e) => [e.row, e])));
	relevances = /* @__PURE__ */ new Map();
	components = /* @__PURE__ */ new Map();
	told = /* @__PURE__ */ new Map();
	constructor(e, t, n, r, i, a) {
		this.number = e, this.info = t, this.base = n, this.names = r, this.transport = i, this.count = t.components, this.labels = Bt(async () => {
			let { arrays: e, metadata: t } = await this.arrays("labels");
			return {
				...e,
				phrases: JSON.parse(t.phrases),
				fdr: Number(t.fdr),
				by: t.by === "encoding" ? "encoding" : "examples"
			};
		}), this.scores = Bt(async () => {
			let { arrays: e, metadata: t } = await this.arrays("scores");
			return {
				...e,
				summary: JSON.parse(t.summary)
			};
		}), this.atlas = Bt(async () => {
			let { arrays: e, metadata: t } = await this.arrays("atlas");
			return {
				...e,
				names: JSON.parse(t.names),
				drawing: t.drawing,
				by: t.by
			};
		}), a && i.get(`${e}/annotations`).then((e) => this.annotations.value = R(e));
	}
	at(e) {
		return `${this.number}/${e}`;
	}
	async arrays(e) {
		return Ht(Lt(await this.transport.get(this.at(e))));
	}
	relevance(e) {
		let t = this.relevances.get(e);
		if (t) return t;
		let n = Bt(async () => (await this.arrays(`relevance/${e}`)).arrays);
		return this.relevances.set(e, n), n;
	}
	component(e, t = !1) {
		let n = this.components.get(e);
		if (n && !t) return n;
		let r = this.transport.get(this.at(`component/${e}`)).then((t) => {
			let n = R(t);
			return this.told.set(e, n), n;
		});
		return r.catch(() => this.components.delete(e)), this.components.set(e, r), r;
	}
	known(e) {
		return this.told.get(e);
	}
	id(e) {
		let t = this.info.layers[this.base.layer[e]];
		return `${t.layer}:${e - t.start}`;
	}
	row(e, t) {
		let n = this.info.layers.find((t) => t.layer === e), r = n ? n.start + t : -1;
		return n && Number.isInteger(t) && r >= n.start && r < n.stop ? r : -1;
	}
	path(e) {
		let t = this.info.layers[this.base.layer[e]];
		return [
			"m",
			this.info.name,
			t.layer,
			String(e - t.start)
		];
	}
	label(e) {
		let t = this.annotation(e)?.label;
		if (t) return t;
		let n = this.labels.value, r = n.state === "ready" ? n.value.label[e] : -1;
		return r >= 0 && n.state === "ready" ? n.value.phrases[r] : null;
	}
	output(e) {
		return this.info.layers[this.base.layer[e]].outputs;
	}
	title(e) {
		return this.output(e) && this.names.has(e) ? this.annotation(e)?.label || this.names.get(e) : this.label(e) ?? this.names.get(e) ?? this.id(e);
	}
	called(e) {
		let t = this.title(e), n = [this.names.get(e), this.label(e)].filter((e) => e && e !== t);
		return [t, ...new Set(n)].join("\n");
	}
	annotation(e) {
		return this.annotated.value.get(e);
	}
	tag(e) {
		return this.annotation(e)?.tag ?? null;
	}
	async annotate(e) {
		this.annotations.value = R(await this.transport.post(this.at("annotations"), JSON.stringify(e)));
	}
	async undo() {
		this.annotations.value = R(await this.transport.post(this.at("annotations/undo"), "{}"));
	}
};
async function Wt(e, t, n, r) {
	let { arrays: i, metadata: a } = Ht(Lt(await e.get(`${t}/base`)));
	return new Ut(t, n, i, new Map(JSON.parse(a.names ?? "[]")), e, r);
}
function Gt(e) {
	let t = [], n = -1;
	for (let r of Array.from(e).sort((e, t) => e - t)) {
		let e = r - n - 1;
		for (n = r; e > 127;) t.push(e & 127 | 128), e >>>= 7;
		t.push(e);
	}
	return btoa(Array.from(t, (e) => String.fromCharCode(e)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
function Kt(e, t) {
	let n;
	try {
		n = atob(e.replace(/-/g, "+").replace(/_/g, "/"));
	} catch {
		return /* @__PURE__ */ new Int32Array();
	}
	let r = [], i = -1, a = 0, o = 0;
	for (let e = 0; e < n.length; e++) {
		let s = n.charCodeAt(e);
		if (a |= (s & 127) << o, o += 7, s < 128) {
			if (i += a + 1, i < 0 || i >= t) break;
			r.push(i), a = o = 0;
		}
	}
	return Int32Array.from(r);
}
// src/data/store.ts
var qt = 150, Jt = class {
	session;
	indexes;
	place;
	transport;
	index;
	query;
	search = F(null);
	selection;
	kept;
	order;
	of;
	pointed = F(null);
	told = F("");
	typed;
	params = /* @__PURE__ */ new Map();
	large = F(null);
	constructor(e, t, n, r) {
		this.session = e, this.indexes = t, this.place = n, this.transport = r;
		let i = (e) => this.param(e), a = I(() => n.route.value.path[0] === "m" ? n.route.value.path[1] : void 0);
		this.index = I(() => {
			let e = t[Number(i("i"))];
			return a.value === void 0 || e?.info.name === a.value ? e ?? t[0] : t.find((e) => e.info.name === a.value) ?? e ?? t[0];
		}), this.query = I(() => i("q") || i("image") && `image:${i("image")}`), this.selection = I(() => {
			let e = i("sel");
			return e === "large" ? this.large.value : e ? Kt(e, this.index.value.count) : null;
		}), this.of = I(() => {
			let e = this.index.value.info.classes;
			return (e.find((e) => String(e.number) === i("class")) ?? e.find((e) => e.images > 0) ?? e[0])?.number ?? null;
		}), this.typed = I(() => this.search.value?.state === "absent" ? i("q") : ""), this.kept = I(() => this.filtered(i)), this.order = I(() => this.ranked()), this.searchOnChange();
	}
	param(e) {
		let t = this.params.get(e);
		if (t) return t.value;
		let n = I(() => this.place.route.value.params.get(e) ?? "");
		return this.params.set(e, n), n.value;
	}
	layers() {
		let e = this.param("layers").split(",").filter(Boolean);
		return this.index.value.info.layers.flatMap(({ layer: t }, n) => e.includes(t) ? [n] : []);
	}
	select(e) {
		if (!e) return this.place.set({ sel: null });
		let t = Gt(e);
		Je(() => {
			t.length > 6e3 && (this.large.value = Int32Array.from(Array.from(e)).sort()), this.place.set({ sel: t.length > 6e3 ? "large" : t || "none" });
		});
	}
	async searchImage(e) {
		let t = this.index.peek(), n = F({
			state: "loading",
			job: null
		});
		n.subscribe((e) => {
			e.state === "loading" && e.job && (this.told.value = `Your picture: ${e.job.step} …`);
		}), await zt(async () => R(await this.transport.post(t.at("image"), e)), n);
		let r = n.peek();
		if (r.state !== "ready") this.told.value = r.state === "absent" ? r.why : "";
		else {
			let e = this.place.route.peek().path, n = e[0] === "table" || e[0] === "picture" || !t.info.own ? e : ["picture"];
			this.place.go(["table", "picture"].includes(n[0] ?? "") ? n : [], {
				q: null,
				image: r.value.id,
				output: null
			});
		}
	}
	filtered(e) {
		let t = this.index.value, n = t.base.dead.map((e) => 1 - e), r = this.layers();
		if (r.length) for (let e = 0; e < n.length; e++) r.includes(t.base.layer[e]) || (n[e] = 0);
		let i = this.selection.value;
		if (i) {
			let e = new Uint8Array(n.length);
			for (let t of i) e[t] = 1;
			for (let t = 0; t < n.length; t++) n[t] &= e[t];
		}
		for (let r of [e("words"), this.typed.value].map((e) => e.toLowerCase())) if (r) for (let e = 0; e < n.length; e++) n[e] && !t.called(e).toLowerCase().includes(r) && (n[e] = 0);
		let a = e("cluster"), o = a === "" ? void 0 : z(t.atlas.value);
		if (o) for (let e = 0; e < n.length; e++) o.cluster[e] !== Number(a) && (n[e] = 0);
		let s = e("tag");
		if (s) {
			let e = new Map(t.annotations.value.rows.map((e) => [e.row, e.tag]));
			for (let t = 0; t < n.length; t++) e.get(t) !== s && (n[t] = 0);
		}
		return n;
	}
	ranked() {
		let e = this.kept.value, t = this.search.value ? z(this.search.value) : void 0, n = t?.rank ?? z(this.index.value.scores.value)?.clarity, r = Int32Array.from(e.keys()).filter((t) => e[t]);
		if (!n) return r;
		let i = (e) => Number.isNaN(n[e]) ? -Infinity : n[e], a = t ? void 0 : z(this.index.value.labels.value), o = (e) => a && a.label[e] >= 0 ? 1 : 0;
		return r.sort((e, t) => o(t) - o(e) || i(t) - i(e) || e - t);
	}
	searchOnChange() {
		L(() => {
			let e = this.query.value, t = this.index.value;
			if (!e) {
				this.search.value = null;
				return;
			}
			this.search.value = {
				state: "loading",
				job: null
			};
			let n = new AbortController(), r = setTimeout(() => void zt(() => this.ask(t, e, n.signal), this.search, n.signal), qt);
			return () => {
				clearTimeout(r), n.abort();
			};
		});
	}
	async ask(e, t, n) {
		let [r, i] = t.startsWith("image:") ? ["image", t.slice(6)] : ["text", t], { arrays: a, metadata: o } = Ht(Lt(await this.transport.get(e.at(`search?${r}=${encodeURIComponent(i)}`), n))), { alignment: s, effect: c } = a, l = {
			probe: o.probe,
			remark: o.remark ?? ""
		};
		return c ? {
			...l,
			by: "encoding",
			value: c,
			rank: c,
			error: Number(o.error),
			baseline: Yt(o.chance)
		} : {
			...l,
			by: "examples",
			value: s,
			rank: s,
			error: 0,
			baseline: Yt(o.aligned)
		};
	}
};
function Yt(e) {
	return e === void 0 || e === "null" ? NaN : Number(e);
}
async function Xt(e, t) {
	let n = R(await e.get("session"));
	return e.know?.(n.indexes.map((e) => e.digest)), new Jt(n, await Promise.all(n.indexes.map((t, r) => Wt(e, r, t, n.can.annotate))), t, e);
}
var Zt = Se(null), Qt = Zt.Provider;
function B() {
	let e = Le(Zt);
	if (!e) throw Error("no store above this element");
	return e;
}
// src/ui/standalone.ts
var $t = {
	color: "",
	fill: "rgb(0, 0, 0)",
	"fill-opacity": "1",
	"fill-rule": "nonzero",
	"font-family": "",
	"font-size": "",
	"font-style": "normal",
	"font-weight": "400",
	"letter-spacing": "normal",
	"paint-order": "normal",
	stroke: "none",
	"stroke-dasharray": "none",
	"stroke-dashoffset": "0px",
	"stroke-linecap": "butt",
	"stroke-linejoin": "miter",
	"stroke-opacity": "1",
	"stroke-width": "1px",
	"text-anchor": "start",
	visibility: "visible"
}, en = {
	opacity: "1",
	"dominant-baseline": "auto",
	"stop-color": "rgb(0, 0, 0)",
	"stop-opacity": "1"
}, tn = [
	"class",
	"style",
	"tabindex",
	"role",
	"aria-label",
	"aria-labelledby",
	"aria-describedby",
	"aria-hidden",
	"aria-pressed"
];
async function nn(e) {
	let t = e.viewBox.baseVal, n = e.getBoundingClientRect(), [r, i] = t?.width ? [t.width, t.height] : [n.width, n.height], a = e.cloneNode(!0);
	await rn(e, a);
	let o = t?.width ? {
		x: t.x,
		y: t.y
	} : {
		x: 0,
		y: 0
	};
	for (let [e, t] of Object.entries({
		xmlns: "http://www.w3.org/2000/svg",
		width: r,
		height: i,
		viewBox: `${o.x} ${o.y} ${r} ${i}`
	})) a.setAttribute(e, String(t));
	return a.prepend(sn(e, {
		...o,
		width: r,
		height: i
	})), {
		element: a,
		width: r,
		height: i
	};
}
async function rn(e, t) {
	let n = [e, ...e.querySelectorAll("*")], r = [t, ...t.querySelectorAll("*")], i = new Map(n.map((e) => [e, getComputedStyle(e)])), a = [];
	n.forEach((t, n) => {
		let o = i.get(t), s = t === e ? void 0 : i.get(t.parentElement), c = r[n];
		for (let e of tn) c.removeAttribute(e);
		if (o.display === "none" && t.tagName !== "title") return c.remove();
		if (t.tagName !== "title" && t.tagName !== "desc") {
			for (let [e, t] of Object.entries($t)) {
				let n = o.getPropertyValue(e);
				n === (s ? s.getPropertyValue(e) : t) ? c.removeAttribute(e) : c.setAttribute(e, an(n));
			}
			for (let [e, t] of Object.entries(en)) {
				let n = o.getPropertyValue(e);
				n && n !== t && c.setAttribute(e, an(n));
			}
			t.tagName === "image" && a.push(on(t, c));
		}
	}), await Promise.all(a);
}
function an(e) {
	if (!/^(color|oklab|oklch|lab|lch|color-mix)\(/.test(e)) return e;
	let t = Object.assign(document.createElement("canvas"), {
		width: 1,
		height: 1
	}).getContext("2d");
	t.fillStyle = e, t.fillRect(0, 0, 1, 1);
	let [n, r, i, a] = t.getImageData(0, 0, 1, 1).data;
	return `rgba(${n}, ${r}, ${i}, ${(a / 255).toFixed(3)})`;
}
async function on(e, t) {
	let n = e.href.baseVal;
	if (t.removeAttribute("href"), n) try {
		let e = new Image();
		e.src = n, await e.decode();
		let r = Object.assign(document.createElement("canvas"), {
			width: e.naturalWidth,
			height: e.naturalHeight
		});
		r.getContext("2d").drawImage(e, 0, 0), t.setAttribute("href", r.toDataURL("image/png"));
	} catch {
		t.remove();
	}
}
function sn(e, t) {
	let n = document.createElementNS("http://www.w3.org/2000/svg", "rect");
	for (let [e, r] of Object.entries(t)) n.setAttribute(e, String(r));
	return n.setAttribute("fill", an(getComputedStyle(e).getPropertyValue("--ground").trim() || "white")), n.setAttribute("stroke", "none"), n;
}
// src/ui/save.ts
var cn = 2, ln = /^[=+\-@\t\r]/;
function un(e, t) {
	let n = URL.createObjectURL(t);
	Object.assign(document.createElement("a"), {
		href: n,
		download: bn(e)
	}).click(), setTimeout(() => URL.revokeObjectURL(n), 1e3);
}
async function dn(e, t, n, r) {
	un(`${e}.${n}`, await fn(e, t, n, r));
}
async function fn(e, t, n, r) {
	if (n === "csv") return new Blob([pn(t)], { type: "text/csv;charset=utf-8" });
	if (n === "json") return new Blob([hn(t)], { type: "application/json" });
	let i = JSON.stringify({
		name: e,
		columns: _n(t, gn)
	}), a = await r.transport.post(r.index.peek().at("table.parquet"), i);
	return new Blob([Lt(a)], { type: "application/vnd.apache.parquet" });
}
function pn(e) {
	let t = [Object.keys(e).map(mn).join(",")], n = Object.values(e);
	for (let e = 0; e < (n[0]?.length ?? 0); e++) t.push(n.map((t) => mn(t[e])).join(","));
	return t.join("\r\n") + "\r\n";
}
function mn(e) {
	let t = gn(e);
	if (t === null) return "";
	let n = typeof t == "string" && ln.test(t) ? `'${t}` : String(t);
	return /[",\r\n]/.test(n) ? `"${n.replaceAll("\"", "\"\"")}"` : n;
}
function hn(e) {
	let t = Object.keys(e), n = e[t[0] ?? ""]?.length ?? 0, r = Array.from({ length: n }, (n, r) => JSON.stringify(Object.fromEntries(t.map((t) => [t, gn(e[t][r])]))));
	return r.length ? `[\n${r.join(",\n")}\n]\n` : "[]\n";
}
function gn(e) {
	return e === void 0 || typeof e == "number" && !Number.isFinite(e) ? null : e;
}
function _n(e, t) {
	return Object.fromEntries(Object.entries(e).map(([e, n]) => [e, n.map(t)]));
}
async function vn(e, t, n) {
	let { element: r, width: i, height: a } = await nn(e), o = new Blob([new XMLSerializer().serializeToString(r)], { type: "image/svg+xml;charset=utf-8" });
	un(`${t}.${n}`, n === "svg" ? o : await yn(o, i, a));
}
async function yn(e, t, n) {
	let r = URL.createObjectURL(e);
	try {
		let e = new Image();
		e.src = r, await e.decode();
		let i = Object.assign(document.createElement("canvas"), {
			width: Math.ceil(t * cn),
			height: Math.ceil(n * cn)
		});
		i.getContext("2d").drawImage(e, 0, 0, i.width, i.height);
		let a = await new Promise((e) => i.toBlob(e, "image/png"));
		if (!a) throw Error("the chart is too large for a picture: save it as SVG");
		return a;
	} finally {
		URL.revokeObjectURL(r);
	}
}
function bn(e) {
	return e.replace(/[\u0000-\u001f\\/:*?"<>|]+/g, "-").slice(-150);
}
function V(e, t, n = `${t}s`) {
	return `${H(e)} ${e === 1 ? t : n}`;
}
function H(e) {
	return e.toLocaleString("en-GB");
}
function U(e, t = 2) {
	if (e == null || !Number.isFinite(e)) return "–";
	let n = e.toFixed(t);
	return (Number(n) === 0 ? n.replace("-", "") : n).replace("-", "−");
}
function W(e) {
	if (e == null || !Number.isFinite(e)) return "–";
	let t = Math.abs(e);
	return t === 0 ? "0" : t >= 1e3 ? H(Math.round(e)) : t < .001 ? e.toExponential(1).replace(/-/g, "−") : String(Number(e.toPrecision(3))).replace("-", "−");
}
function G(e) {
	if (e == null || !Number.isFinite(e)) return "–";
	let t = e * 100;
	return t > 0 && t < .1 ? "under 0.1 %" : `${t > 99 && t < 100 ? Math.min(99.9, t).toFixed(1) : t < 10 ? Number(t.toFixed(1)) : Math.round(t)} %`;
}
function xn(e) {
	if (e > .5) return "most";
	if (e > .4) return "1 in 2";
	let t = 1 / e, n = 10 ** Math.max(0, Math.floor(Math.log10(t)) - 1);
	return `1 in ${H(Math.round(t / n) * n)}`;
}
function Sn(e) {
	return e.replace(/@dictionary:(?:.*[\\/])?([^\\/:]+?)(\.safetensors)?(?=:\d+$|$)/, "@$1");
}
function Cn(e) {
	return /^dictionary\b/.test(e) ? { unexplained: Number(/FVU ([\d.]+)/.exec(e)?.[1] ?? NaN) } : null;
}
// src/component/histogram.ts
var wn = 12, Tn = 22;
function En(e, t) {
	return e.histogram ? On(e, e.histogram, t) : e.examples.length ? Dn(e, t) : null;
}
function Dn(e, t) {
	let n = e.examples.map((e) => e.activation), r = Math.min(e.lowest ?? 0, ...n), i = Math.max(...n);
	return {
		bars: [],
		marks: n.map((e) => 1 + (t - 2) * (e - r) / (i - r || 1)),
		ticks: An(r, i, 0, t),
		zero: null,
		axis: "activation, from the lowest of all images",
		says: `Its examples have activations from ${W(Math.min(...n))} to ${W(i)}; the lowest of all images is ${W(e.lowest)}.`
	};
}
function On(e, { edges: t, counts: n }, r) {
	let i = n.findIndex((e, n) => t[n] <= 0 && t[n + 1] > 0), a = n.length - (i < 0 ? 0 : 1), o = (r - (i < 0 ? 0 : Tn + wn * (i > 0 ? 2 : 1))) / Math.max(1, a), s = [], c = 0;
	for (let e = 0; e < n.length; e++) e === i && e > 0 && (c += wn), s.push(c), c += e === i ? 34 : o;
	let l = Math.max(1, ...n.filter((e, t) => t !== i)), u = n.map((e, n) => ({
		x: s[n] + .5,
		width: (n === i ? Tn : o) - 1,
		height: e ? Math.max(.015, Math.min(1, e / l)) : 0,
		zero: n === i,
		says: `${V(e, "image")} from ${W(t[n])} to ${W(t[n + 1])}`
	})), d = (e) => kn(e, t, s, (e) => e === i ? Tn : o), f = i < 0 ? 0 : i + 1;
	return {
		bars: u,
		marks: e.examples.map((e) => d(e.activation)),
		ticks: f < n.length ? An(t[f], t[t.length - 1], s[f], r) : [],
		zero: i < 0 ? null : {
			x: s[i],
			text: H(n[i])
		},
		axis: "activation",
		says: `Histogram of activation over ${V(e.images, "image")}, from ${W(t[0])} to ${W(t[t.length - 1])}${i < 0 ? "" : `; ${V(n[i], "image")} about zero`}.`
	};
}
function kn(e, t, n, r) {
	let i = t.findIndex((t) => t > e) - 1;
	i < 0 && (i = e < t[0] ? 0 : n.length - 1);
	let [a, o] = [t[i], t[i + 1]], s = a > 0 ? Math.log(e / a) / Math.log(o / a) : (e - a) / (o - a);
	return n[i] + r(i) * Math.min(1, Math.max(0, s));
}
function An(e, t, n, r) {
	let i = e > 0 ? Math.sqrt(e * t) : (e + t) / 2;
	return [
		{
			x: n,
			text: W(e),
			anchor: "start"
		},
		{
			x: n + (r - n) / 2,
			text: W(Number(i.toPrecision(2))),
			anchor: "middle"
		},
		{
			x: r,
			text: W(t),
			anchor: "end"
		}
	];
}
// node_modules/preact/jsx-runtime/dist/jsxRuntime.module.js
var jn = 0;
Array.isArray;
function K(e, t, r, i, a, o) {
	t ||= {};
	var s, c, l = t;
	if ("ref" in l) for (c in l = {}, t) c == "ref" ? s = t[c] : l[c] = t[c];
	var u = {
		type: e,
		props: l,
		key: r,
		ref: s,
		__k: null,
		__: null,
		__b: 0,
		__e: null,
		__c: null,
		constructor: void 0,
		__v: --jn,
		__i: -1,
		__u: 0,
		__source: a,
		__self: o
	};
	if (typeof e == "function" && (s = e.defaultProps)) for (c in s) l[c] === void 0 && (l[c] = s[c]);
	return n.vnode && n.vnode(u), u;
}
// src/component/Activation.tsx
var Mn = 360, Nn = 40;
function Pn({ index: e, found: t }) {
	let n = j(null), r = En(t, Mn), i = r?.bars.length ? 110 : 6, a = i + Nn;
	return /* @__PURE__ */ K("section", {
		class: "panel",
		"aria-label": "Activation",
		children: [
			/* @__PURE__ */ K("h2", { children: "Activation" }),
			/* @__PURE__ */ K("p", { children: [
				"It fires on ",
				/* @__PURE__ */ K("strong", { children: G(t.images ? t.fired / t.images : null) }),
				" of ",
				V(t.images, "image"),
				t.nan > 0 && `; on ${V(t.nan, "image")} its activation is not a number`,
				"."
			] }),
			r && /* @__PURE__ */ K("figure", {
				class: "chart",
				children: [/* @__PURE__ */ K("svg", {
					ref: n,
					viewBox: `0 0 ${Mn} ${a}`,
					role: "img",
					"aria-label": r.says,
					children: [
						r.bars.map((e, t) => /* @__PURE__ */ K("rect", {
							class: e.zero ? "bar-zero" : "bar-some",
							x: e.x,
							width: e.width,
							y: i - e.height * (i - 14),
							height: e.height * (i - 14),
							children: /* @__PURE__ */ K("title", { children: e.says })
						}, t)),
						/* @__PURE__ */ K("path", {
							class: "axis",
							d: `M0 ${i}H${Mn}`
						}),
						r.marks.map((e, t) => /* @__PURE__ */ K("path", {
							class: "mark",
							d: `M${e} ${i + 2}v9`
						}, t)),
						r.ticks.map(({ x: e, text: t, anchor: n }) => /* @__PURE__ */ K("text", {
							x: e,
							y: i + 25,
							"text-anchor": n,
							children: t
						}, t)),
						/* @__PURE__ */ K("text", {
							class: "name",
							x: Mn,
							y: a - 3,
							"text-anchor": "end",
							children: r.axis
						}),
						r.zero && /* @__PURE__ */ K("text", {
							x: r.zero.x,
							y: a - 3,
							"text-anchor": "start",
							children: ["about 0: ", r.zero.text]
						})
					]
				}), /* @__PURE__ */ K("figcaption", {
					class: "soft",
					children: [/* @__PURE__ */ K("span", { children: r.bars.length ? "Images by activation, on a logarithmic scale; the marks below are the examples." : "The marks are its examples." }), /* @__PURE__ */ K("span", {
						class: "save",
						children: ["svg", "png"].map((r) => /* @__PURE__ */ K("button", {
							type: "button",
							class: "link",
							"aria-label": `Save as ${r.toUpperCase()}`,
							onClick: () => n.current && vn(n.current, `activation ${e.id(t.row)}`, r),
							children: r.toUpperCase()
						}, r))
					})]
				})]
			})
		]
	});
}
// src/ui/links.ts
var Fn = {
	layers: null,
	words: null,
	cluster: null,
	tag: null,
	sel: null
};
function In(e, t) {
	let n = t.number || null;
	return t === e.index.value ? { i: n } : {
		i: n,
		...Fn,
		class: null
	};
}
function Ln(e, t, n, r = {}) {
	return e.place.href(t.path(n), {
		...In(e, t),
		...r
	});
}
function Rn(e) {
	return Object.keys(Fn).some((t) => e.route.value.params.has(t));
}
// src/component/ClassBars.tsx
var zn = 6;
function Bn({ index: e, relevance: t }) {
	let n = B(), [r, i] = O(!1), a = r ? t : t.slice(0, zn), o = Math.max(1e-9, ...t.map((e) => Math.max(e.positive, e.negative))), s = In(n, e);
	return /* @__PURE__ */ K("section", {
		class: "panel",
		"aria-label": "Relevance for classes",
		children: [/* @__PURE__ */ K("h2", { children: "Relevance for classes" }), t.length === 0 ? /* @__PURE__ */ K("p", {
			class: "absent",
			children: [
				"No relevance was computed for this index: build it with ",
				/* @__PURE__ */ K("code", { children: "--classes" }),
				" to see which outputs each component moves."
			]
		}) : /* @__PURE__ */ K(T, { children: [
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "How much of all relevance in its layer passes through it: for the class to the right, against it to the left."
			}),
			/* @__PURE__ */ K("table", {
				class: "bars sided",
				children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
					/* @__PURE__ */ K("th", {
						scope: "col",
						children: "Class"
					}),
					/* @__PURE__ */ K("th", {
						scope: "col",
						children: "against | for"
					}),
					/* @__PURE__ */ K("th", {
						scope: "col",
						children: "net"
					})
				] }) }), /* @__PURE__ */ K("tbody", { children: a.map((t) => /* @__PURE__ */ K("tr", { children: [
					/* @__PURE__ */ K("th", {
						scope: "row",
						children: [
							/* @__PURE__ */ K("a", {
								href: n.place.href(["audit"], {
									...s,
									class: t.number
								}),
								title: "Audit this class",
								children: /* @__PURE__ */ K("bdi", { children: t.class })
							}),
							" ",
							/* @__PURE__ */ K("a", {
								class: "aside",
								href: n.place.href(["graph"], {
									...s,
									class: t.number
								}),
								"aria-label": `Graph of ${t.class}`,
								title: "How this class comes about",
								children: "graph"
							})
						]
					}),
					/* @__PURE__ */ K("td", {
						title: `for ${G(t.positive)}, against ${G(t.negative)}; among the ${e.info.relevance?.top ?? ""} most relevant of its layer on ${G(t.frequency)} of the class’s images`,
						children: /* @__PURE__ */ K("span", {
							class: "bar two",
							children: [/* @__PURE__ */ K("span", {
								class: "against",
								style: { width: `${50 * t.negative / o}%` }
							}), /* @__PURE__ */ K("span", {
								class: "for",
								style: { width: `${50 * t.positive / o}%` }
							})]
						})
					}),
					/* @__PURE__ */ K("td", {
						class: "value",
						children: Vn(t.positive - t.negative)
					})
				] }, t.number)) })]
			}),
			t.length > zn && /* @__PURE__ */ K("button", {
				type: "button",
				class: "link",
				onClick: () => i(!r),
				children: r ? "Show fewer" : `Show all ${V(t.length, "class", "classes")}`
			})
		] })]
	});
}
function Vn(e) {
	return e < 0 ? `−${G(-e)}` : G(e);
}
// src/ui/Await.tsx
function Hn({ of: e, what: t, children: n }) {
	return e.state === "ready" ? /* @__PURE__ */ K(T, { children: n(e.value) }) : e.state === "absent" ? /* @__PURE__ */ K("p", {
		class: "absent",
		children: e.why
	}) : /* @__PURE__ */ K(Un, {
		what: t,
		job: e.job
	});
}
function Un({ what: e, job: t }) {
	let n = t && t.total > 0;
	return /* @__PURE__ */ K("p", {
		class: "waiting",
		role: "status",
		children: [/* @__PURE__ */ K("span", { children: [
			e,
			": ",
			t ? t.step : "on the way"
		] }), n ? /* @__PURE__ */ K("progress", {
			value: t.done,
			max: t.total,
			"aria-label": `${e}: ${t.step}`
		}) : /* @__PURE__ */ K("progress", { "aria-label": e })]
	});
}
// src/ui/root.ts
var Wn = /* @__PURE__ */ new WeakMap();
function Gn(e, t) {
	Wn.set(e, t);
}
function Kn(e) {
	return Wn.get(e)?.parentElement === document.body;
}
function qn(e, t) {
	return Kn(e) || !!Wn.get(e)?.contains(t.target);
}
// src/ui/keys.ts
var Jn = [
	{
		where: "Everywhere",
		keys: [
			{
				keys: ["/"],
				says: "search"
			},
			{
				keys: ["Esc"],
				says: "clear the search, close what is open"
			},
			{
				keys: ["?"],
				says: "these shortcuts"
			}
		]
	},
	{
		where: "Results",
		keys: [
			{
				keys: [
					"←",
					"↑",
					"→",
					"↓"
				],
				says: "from card to card"
			},
			{
				keys: ["Home", "End"],
				says: "first and last card"
			},
			{
				keys: ["Enter"],
				says: "open the component"
			}
		]
	},
	{
		where: "Map",
		keys: [
			{
				keys: ["+", "−"],
				says: "nearer and farther"
			},
			{
				keys: ["0"],
				says: "all of it"
			},
			{
				keys: ["Ctrl", "←"],
				says: "to the next component in that direction; any arrow"
			},
			{
				keys: ["Enter"],
				says: "open that component"
			},
			{
				keys: ["Shift"],
				says: "and drag: select with a lasso; with Ctrl adds, Alt takes away"
			}
		]
	},
	{
		where: "Table",
		keys: [
			{
				keys: ["↑", "↓"],
				says: "from row to row; with Shift marks them"
			},
			{
				keys: ["Home", "End"],
				says: "first and last row"
			},
			{
				keys: ["Space"],
				says: "mark the row"
			},
			{
				keys: ["Ctrl", "A"],
				says: "select all that are shown"
			},
			{
				keys: ["Enter"],
				says: "open the component"
			}
		]
	},
	{
		where: "Graph",
		keys: [
			{
				keys: [
					"←",
					"↑",
					"→",
					"↓"
				],
				says: "from box to box"
			},
			{
				keys: ["Enter"],
				says: "choose the box"
			},
			{
				keys: ["Esc"],
				says: "let go of it"
			}
		]
	},
	{
		where: "Component",
		keys: [
			{
				keys: ["j"],
				says: "next component of the list"
			},
			{
				keys: ["k"],
				says: "previous component"
			},
			{
				keys: ["r"],
				says: "a random one"
			},
			{
				keys: ["h"],
				says: "crop, whole image, heat map"
			},
			{
				keys: [
					"1",
					"2",
					"3"
				],
				says: "tag it valid, spurious, unsure; the same key again removes the tag"
			},
			{
				keys: ["0"],
				says: "remove the tag"
			},
			{
				keys: ["u"],
				says: "undo the last change"
			}
		]
	}
];
function Yn(e) {
	let t = B(), n = j(e);
	n.current = e, A(() => {
		let e = (e) => {
			let r = n.current[e.key];
			!r || e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || Xn(e.target) || document.querySelector("dialog[open]") || !qn(t, e) || (e.preventDefault(), r(e));
		};
		return document.addEventListener("keydown", e), () => document.removeEventListener("keydown", e);
	}, [t]);
}
function Xn(e) {
	return e instanceof HTMLElement && (e.isContentEditable || !!e.closest("input:not([type=checkbox], [type=radio], [type=range]), textarea, select"));
}
// src/ui/picture.tsx
function Zn(e) {
	let { transport: t } = B(), [n, r] = O(), i = e === null ? void 0 : t.picture(e);
	return k(() => {
		let e = !0;
		return r(void 0), i instanceof Promise && i.then((t) => e && r(t)), () => {
			e = !1;
		};
	}, [e]), typeof i == "string" ? i : n;
}
function Qn({ path: e, alt: t, class: n = "" }) {
	let r = Zn(e);
	return /* @__PURE__ */ K("span", {
		class: `picture ${n}`,
		children: r && /* @__PURE__ */ K("img", {
			src: r,
			alt: t,
			loading: "lazy",
			decoding: "async",
			draggable: !1
		})
	});
}
// src/ui/Icon.tsx
var $n = {
	search: "M17 10.5a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0zM15.5 15.5L21 21",
	clear: "M5 5l14 14M19 5L5 19",
	image: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15.5 9.5h.01",
	system: "M4 4h16v12H4zM8 20h8M12 16v4",
	light: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2.5M12 19.5v2.5M2 12h2.5M19.5 12h2.5M5 5l1.7 1.7M17.3 17.3L19 19M19 5l-1.7 1.7M6.7 17.3L5 19",
	dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
	left: "M15 5l-7 7 7 7",
	right: "M9 5l7 7-7 7",
	down: "M6 9l6 6 6-6",
	dice: "M4 4h16v16H4zM8.5 8.5h.01M15.5 15.5h.01M12 12h.01M15.5 8.5h.01M8.5 15.5h.01",
	link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-3 3A4 4 0 0 0 10.7 18.3L12 17",
	map: "M9 4L3 6.5v13.5l6-2.5 6 2.5 6-2.5V4l-6 2.5L9 4zM9 4v13.5M15 6.5V20",
	undo: "M4 9h10a5.5 5.5 0 0 1 0 11H9M4 9l4.5-4.5M4 9l4.5 4.5"
};
function q({ name: e }) {
	return /* @__PURE__ */ K("svg", {
		class: "icon",
		viewBox: "0 0 24 24",
		"aria-hidden": "true",
		focusable: "false",
		children: /* @__PURE__ */ K("path", { d: $n[e] })
	});
}
// src/ui/Dialog.tsx
function er({ title: e, class: t = "", close: n, onKeyDown: r, children: i }) {
	let a = j(null);
	return k(() => {
		let e = document.activeElement, t = a.current;
		return t.showModal(), () => {
			t.close(), e instanceof HTMLElement && e.focus();
		};
	}, []), /* @__PURE__ */ K("dialog", {
		ref: a,
		class: `dialog ${t}`,
		"aria-label": typeof e == "string" ? e : void 0,
		onCancel: (e) => (e.preventDefault(), n()),
		onClick: (e) => e.target === a.current && n(),
		onKeyDown: r,
		children: /* @__PURE__ */ K("div", {
			class: "dialog-inside",
			children: [/* @__PURE__ */ K("div", {
				class: "dialog-head",
				children: [/* @__PURE__ */ K("h2", { children: e }), /* @__PURE__ */ K("button", {
					type: "button",
					class: "bare-button",
					"aria-label": "Close",
					title: "Close (Esc)",
					onClick: n,
					children: /* @__PURE__ */ K(q, { name: "clear" })
				})]
			}), i]
		})
	});
}
// src/component/shown.ts
var tr = [
	"crop",
	"whole",
	"heat"
], nr = {
	crop: "Crop",
	whole: "Whole image",
	heat: "Heat map"
};
function rr(e) {
	let t = e.param("show");
	return tr.includes(t) ? t : "crop";
}
function ir(e, t) {
	e.place.set({ show: t === "crop" ? null : t }, !0);
}
function ar(e, t) {
	return t === "crop" || (t === "whole" ? e.info.whole : e.info.heat);
}
function or(e, t, n, r, i, a) {
	return i === "heat" && e.info.heat ? a?.includes(n) ? e.at(`heat/${t}/${n}.webp`) : null : i === "whole" && e.info.whole ? e.at(`frame/${t}/${n}.webp`) : e.at(`crop/${r}.webp`);
}
// src/component/Enlarged.tsx
function sr({ index: e, found: t, slot: n, heated: r, go: i, close: a }) {
	let o = B(), s = rr(o), c = t.examples[n], l = t.examples.length, u = (e) => i((n + e + l) % l);
	return /* @__PURE__ */ K(er, {
		title: `Example ${n + 1} of ${l}`,
		class: "enlarged",
		close: a,
		onKeyDown: (e) => {
			let t = {
				ArrowLeft: -1,
				ArrowRight: 1
			}[e.key];
			t ? u(t) : e.key === "h" && ir(o, tr[(tr.indexOf(s) + 1) % tr.length]);
		},
		children: [
			/* @__PURE__ */ K("div", {
				class: "enlarged-picture",
				children: [
					/* @__PURE__ */ K("button", {
						type: "button",
						class: "bare-button",
						"aria-label": "Previous example",
						title: "Previous example (←)",
						onClick: () => u(-1),
						children: /* @__PURE__ */ K(q, { name: "left" })
					}),
					/* @__PURE__ */ K(Qn, {
						path: or(e, t.row, n, c.crop, s, r),
						alt: `${nr[s]} of ${c.name}`
					}, `${n} ${s}`),
					/* @__PURE__ */ K("button", {
						type: "button",
						class: "bare-button",
						"aria-label": "Next example",
						title: "Next example (→)",
						onClick: () => u(1),
						children: /* @__PURE__ */ K(q, { name: "right" })
					})
				]
			}),
			/* @__PURE__ */ K("div", {
				class: "buttons",
				role: "group",
				"aria-label": "What is shown",
				children: tr.filter((t) => ar(e, t)).map((e) => /* @__PURE__ */ K("button", {
					type: "button",
					class: "button",
					"aria-pressed": e === s,
					onClick: () => ir(o, e),
					children: nr[e]
				}, e))
			}),
			/* @__PURE__ */ K("dl", {
				class: "facts",
				children: [
					/* @__PURE__ */ K("dt", { children: "Image" }),
					/* @__PURE__ */ K("dd", { children: [
						/* @__PURE__ */ K("bdi", { children: c.name }),
						" ",
						/* @__PURE__ */ K("span", {
							class: "soft",
							children: [
								"(id ",
								c.image,
								")"
							]
						})
					] }),
					c.label && /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("dt", { children: "Its label" }), /* @__PURE__ */ K("dd", { children: /* @__PURE__ */ K("bdi", { children: c.label }) })] }),
					/* @__PURE__ */ K("dt", { children: "Activation" }),
					/* @__PURE__ */ K("dd", { children: W(c.activation) }),
					/* @__PURE__ */ K("dt", { children: "Cut out" }),
					/* @__PURE__ */ K("dd", { children: c.whole ? "all of the image" : `${c.box[2] - c.box[0]} × ${c.box[3] - c.box[1]} pixels, from ${c.box[0]}, ${c.box[1]}` })
				]
			})
		]
	});
}
// src/component/useComponent.ts
function cr(e, t) {
	let n = e.known(t), r = St(n ? {
		state: "ready",
		value: n
	} : {
		state: "loading",
		job: null
	}), i = e.labels.value.state === "ready";
	return k(() => {
		let n = new AbortController();
		return zt(async () => {
			let n = await e.component(t);
			return i && !n.label && !n.dead ? e.component(t, !0) : n;
		}, r, n.signal), () => n.abort();
	}, [
		e,
		t,
		i
	]), r.value;
}
function lr(e, t, n) {
	let { transport: r } = B(), i = St({
		state: "loading",
		job: null
	});
	return k(() => {
		if (!n) return;
		let a = new AbortController();
		return i.value = {
			state: "loading",
			job: null
		}, zt(async () => R(await r.get(e.at(`heat/${t}`), a.signal)), i, a.signal), () => a.abort();
	}, [
		e,
		t,
		n
	]), i.value;
}
// src/component/Examples.tsx
function ur({ index: e, found: t }) {
	let n = B(), [r, i] = O(null), a = rr(n), o = lr(e, t.row, a === "heat" && e.info.heat), s = z(o)?.slots ?? null;
	return Yn({ h: () => ir(n, tr[(tr.indexOf(a) + 1) % tr.length]) }), /* @__PURE__ */ K("section", {
		class: "examples",
		"aria-label": "Examples",
		children: [
			/* @__PURE__ */ K("div", {
				class: "section-head",
				children: [/* @__PURE__ */ K("h2", { children: "What excites it most" }), /* @__PURE__ */ K(dr, {
					store: n,
					mode: a
				})]
			}),
			/* @__PURE__ */ K(fr, {
				index: e,
				mode: a,
				heat: o
			}),
			pr(t).map((n) => /* @__PURE__ */ K(mr, {
				index: e,
				found: t,
				group: n,
				mode: a,
				heated: s,
				enlarge: i
			}, n.title)),
			r !== null && /* @__PURE__ */ K(sr, {
				index: e,
				found: t,
				slot: r,
				heated: s,
				go: i,
				close: () => i(null)
			})
		]
	});
}
function dr({ store: e, mode: t }) {
	return /* @__PURE__ */ K("div", {
		class: "buttons",
		role: "group",
		"aria-label": "What is shown of each image (h)",
		children: tr.map((n) => /* @__PURE__ */ K("button", {
			type: "button",
			class: "button",
			"aria-pressed": n === t,
			title: "Press h for the next",
			onClick: () => ir(e, n),
			children: nr[n]
		}, n))
	});
}
function fr({ index: e, mode: t, heat: n }) {
	return ar(e, t) ? t === "heat" && n.state === "loading" ? /* @__PURE__ */ K(Un, {
		what: "Heat maps",
		job: n.job
	}) : t === "heat" && n.state === "absent" ? /* @__PURE__ */ K("p", {
		class: "soft says",
		children: n.why
	}) : /* @__PURE__ */ K("p", {
		class: "soft says",
		children: {
			crop: "The parts of images that make it fire most, the strongest first. The number is its activation. Press one to enlarge it.",
			whole: "The whole images; the frame is the part that was cut out.",
			heat: "Where in the image the activation comes from: the stronger the colour, the more of it."
		}[t]
	}) : /* @__PURE__ */ K("p", {
		class: "soft says",
		children: [
			t === "whole" ? "Whole images are" : "Heat maps need the model and the images, which are",
			" not at hand; here are the crops. To see them, start the server with",
			" ",
			/* @__PURE__ */ K("code", { children: "semlens serve INDEX --images FOLDER --model MODEL" }),
			"."
		]
	});
}
function pr(e) {
	let t = e.examples.map((e, t) => t), n = e.label?.meanings ?? [];
	if (n.length < 2) return [{
		title: "",
		slots: t,
		meaning: !1
	}];
	let r = new Set(n.flatMap((e) => e.examples)), i = t.filter((e) => !r.has(e)), a = n.map((e, t) => ({
		title: `${t + 1}. ${e.label}`,
		slots: e.examples,
		meaning: !0
	}));
	return i.length ? [...a, {
		title: "in neither group",
		slots: i,
		meaning: !1
	}] : a;
}
function mr({ index: e, found: t, group: n, mode: r, heated: i, enlarge: a }) {
	return /* @__PURE__ */ K("div", {
		class: "group",
		children: [n.title && /* @__PURE__ */ K("h3", { children: [
			n.meaning && /* @__PURE__ */ K("span", {
				class: "soft",
				children: "Meaning "
			}),
			/* @__PURE__ */ K("bdi", { children: n.title }),
			" ",
			/* @__PURE__ */ K("small", {
				class: "soft",
				children: V(n.slots.length, "example")
			})
		] }), /* @__PURE__ */ K("ul", {
			class: "example-list",
			role: "list",
			children: n.slots.map((n) => {
				let o = t.examples[n];
				return o && /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("button", {
					type: "button",
					class: "example",
					"aria-label": `Enlarge example ${n + 1}: ${hr(o)}`,
					title: o.name,
					onClick: () => a(n),
					children: [/* @__PURE__ */ K(Qn, {
						path: or(e, t.row, n, o.crop, r, i),
						alt: ""
					}), /* @__PURE__ */ K("span", {
						class: "example-words",
						children: [/* @__PURE__ */ K("span", {
							class: "value",
							children: W(o.activation)
						}), o.label && /* @__PURE__ */ K("bdi", {
							class: "soft",
							children: o.label
						})]
					})]
				}) }, n);
			})
		})]
	});
}
function hr({ name: e, label: t, activation: n }) {
	return [
		e,
		t,
		`activation ${W(n)}`
	].filter(Boolean).join(", ");
}
// src/component/Judgement.tsx
var gr = [
	{
		tag: "valid",
		key: "1",
		says: "the model may rely on it"
	},
	{
		tag: "spurious",
		key: "2",
		says: "it should not"
	},
	{
		tag: "unsure",
		key: "3",
		says: "to be looked at again"
	}
], _r = 800;
function vr({ index: e, row: t }) {
	let n = B(), { undo: r, where: i } = e.annotations.value, a = e.tag(t), o = (e, t) => void e.then(() => n.told.value = t, (e) => n.told.value = e.message), s = (n) => {
		let r = n === a ? null : n;
		r !== a && o(e.annotate({
			row: t,
			tag: r
		}), r ? `Tagged ${r}.` : "Tag removed.");
	}, c = () => r ? o(e.undo(), `Undone: ${r}.`) : n.told.value = "There is nothing to undo.";
	return Yn({
		...Object.fromEntries(gr.map((e) => [e.key, () => s(e.tag)])),
		0: () => s(null),
		u: c
	}), /* @__PURE__ */ K("section", {
		class: "panel judgement",
		"aria-label": "Your judgement",
		children: [
			/* @__PURE__ */ K("div", {
				class: "section-head",
				children: [/* @__PURE__ */ K("h2", { children: "Your judgement" }), /* @__PURE__ */ K("button", {
					type: "button",
					class: "bare-button",
					"aria-label": "Undo the last change",
					title: r ? `Undo: ${r} (u)` : "There is nothing to undo",
					disabled: !r,
					onClick: c,
					children: /* @__PURE__ */ K(q, { name: "undo" })
				})]
			}),
			/* @__PURE__ */ K("div", {
				class: "buttons tags",
				role: "group",
				"aria-label": "Tag",
				children: gr.map((e) => /* @__PURE__ */ K("button", {
					type: "button",
					class: `button ${e.tag}`,
					"aria-pressed": a === e.tag,
					title: `${e.says} (${e.key})`,
					onClick: () => s(e.tag),
					children: [
						e.tag,
						" ",
						/* @__PURE__ */ K("kbd", {
							"aria-hidden": "true",
							children: e.key
						})
					]
				}, e.tag))
			}),
			/* @__PURE__ */ K(yr, {
				index: e,
				row: t,
				of: "label",
				name: "Your own label",
				says: "in place of the computed one"
			}),
			/* @__PURE__ */ K(yr, {
				index: e,
				row: t,
				of: "note",
				name: "Notes",
				says: "what did you see?"
			}),
			i && /* @__PURE__ */ K("p", {
				class: "soft where",
				children: [
					"Kept in ",
					/* @__PURE__ */ K("code", { children: i.split(/[\\/]/).pop() }),
					", beside the index."
				]
			})
		]
	});
}
function yr({ index: e, row: t, of: n, name: r, says: i }) {
	let a = e.annotation(t)?.[n] ?? "", [o, s] = O(null), [c, l] = O(""), u = j(null), d = () => {
		let r = u.current;
		if (r !== null) {
			if (u.current = null, r === (e.annotation(t)?.[n] ?? "")) return s(null);
			l("saving …"), e.annotate({
				row: t,
				[n]: r
			}).then(() => {
				l("saved"), u.current === null && s(null);
			}, (e) => {
				u.current ??= r, l(`not saved: ${e.message}`);
			});
		}
	}, f = j(d);
	f.current = d, k(() => {
		let e = o === null ? void 0 : setTimeout(() => f.current(), _r);
		return () => clearTimeout(e);
	}, [o]), k(() => () => f.current(), []);
	let p = {
		value: o ?? a,
		placeholder: i,
		onInput: (e) => {
			u.current = e.currentTarget.value, s(u.current), l("");
		},
		onBlur: d
	};
	return /* @__PURE__ */ K("label", {
		class: "kept",
		children: [/* @__PURE__ */ K("span", { children: [
			r,
			" ",
			/* @__PURE__ */ K("small", {
				role: "status",
				children: c
			})
		] }), n === "note" ? /* @__PURE__ */ K("textarea", {
			rows: 4,
			...p
		}) : /* @__PURE__ */ K("input", {
			type: "text",
			...p
		})]
	});
}
// src/component/LabelPart.tsx
function br({ index: e, label: t }) {
	let n = e.labels.value;
	return /* @__PURE__ */ K("section", {
		class: "panel label-part",
		"aria-label": "Label",
		children: [/* @__PURE__ */ K("h2", { children: "Label" }), t ? /* @__PURE__ */ K(xr, { label: t }) : n.state === "loading" ? /* @__PURE__ */ K(Un, {
			what: "Labels",
			job: n.job
		}) : /* @__PURE__ */ K("p", {
			class: "absent",
			children: n.state === "absent" ? n.why : "There is no label for it."
		})]
	});
}
function xr({ label: e }) {
	let t = e.by === "encoding", n = (e) => (t ? e.z : e.alignment) ?? 0, r = [{
		label: e.best,
		alignment: e.alignment,
		z: e.z
	}, ...e.runners_up], i = Math.max(.01, ...r.map(n));
	return /* @__PURE__ */ K(T, { children: [
		e.label === null ? /* @__PURE__ */ K("p", { children: [
			/* @__PURE__ */ K("strong", { children: "No label: chance fits as well." }),
			" The nearest phrase is “",
			/* @__PURE__ */ K("bdi", { children: e.best }),
			"”, but ",
			Sr(e.p_value, t),
			" some phrase as well as that."
		] }) : /* @__PURE__ */ K("p", { children: [
			/* @__PURE__ */ K("strong", {
				class: "label-word",
				children: /* @__PURE__ */ K("bdi", { children: e.label })
			}),
			wr(Sr(e.p_value, t, "")),
			" some phrase as well as that."
		] }),
		e.remark && /* @__PURE__ */ K("p", {
			class: "remark",
			children: [wr(e.remark), "."]
		}),
		e.stability !== null && /* @__PURE__ */ K("p", {
			class: "soft",
			children: [
				"It stays ahead of the others in ",
				G(e.stability),
				" of trials in which the examples are drawn anew."
			]
		}),
		t && e.r2 !== null && /* @__PURE__ */ K("p", {
			class: "soft",
			children: Cr(e.r2)
		}),
		/* @__PURE__ */ K("table", {
			class: "bars",
			children: [t ? /* @__PURE__ */ K("caption", {
				title: "Effect of the phrase over all images, all else equal, by its standard error if nothing were related",
				children: "How far beyond chance it responds to phrases over all images (z); 2 is what chance often reaches for one phrase"
			}) : /* @__PURE__ */ K("caption", {
				title: "Cosine similarity to the phrase, less the mean of random components",
				children: "How well phrases align; the label is the one that exceeds chance most"
			}), /* @__PURE__ */ K("tbody", { children: r.map((e, r) => /* @__PURE__ */ K("tr", {
				class: r === 0 ? "first" : "",
				children: [
					/* @__PURE__ */ K("th", {
						scope: "row",
						children: /* @__PURE__ */ K("bdi", { children: e.label })
					}),
					/* @__PURE__ */ K("td", { children: /* @__PURE__ */ K("span", {
						class: "bar",
						children: /* @__PURE__ */ K("span", {
							class: "fill",
							style: { width: `${100 * Math.max(0, n(e)) / i}%` }
						})
					}) }),
					/* @__PURE__ */ K("td", {
						class: "value",
						children: U(n(e), t ? 1 : 2)
					})
				]
			}, e.label)) })]
		})
	] });
}
function Sr(e, t, n = "about ") {
	let r = xn(e), i = t ? "components with permuted activations" : "random components";
	return r === "most" ? `most ${i} fit` : `${n}${r} ${i} fits`;
}
function Cr(e) {
	return e < .02 ? "The foundation model sees next to nothing of what it responds to: trust no phrase for it." : `The foundation model explains ${G(e)} of its activation on images left out.`;
}
function wr(e) {
	return e.charAt(0).toUpperCase() + e.slice(1);
}
// src/component/Measures.tsx
var Tr = {
	clarity: {
		says: "how alike its examples are",
		above: "clearer than chance",
		below: "less clear than chance"
	},
	polysemanticity: {
		says: "how far apart two groups of its examples are",
		above: "more mixed than chance",
		below: "less mixed than chance"
	},
	redundancy: {
		says: "how like it the nearest component of its layer is",
		above: "more repeated than chance",
		below: "less repeated than chance"
	}
};
function Er({ index: e, row: t }) {
	let n = e.info.layers[e.base.layer[t]].layer;
	return /* @__PURE__ */ K("section", {
		class: "panel measures",
		"aria-label": "Measures",
		children: [/* @__PURE__ */ K("h2", { children: "Measures" }), /* @__PURE__ */ K(Hn, {
			of: e.scores.value,
			what: "Measures",
			children: (e) => /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("p", {
				class: "soft",
				children: "The dot is this component, the band where 95 % of random components lie, the line the mean of its layer."
			}), /* @__PURE__ */ K("dl", {
				class: "measure-list",
				children: Object.keys(Tr).map((r) => /* @__PURE__ */ K(Dr, {
					measure: r,
					value: e[r][t],
					of: e.summary.find((e) => e.layer === n && e.measure === r)
				}, r))
			})] })
		})]
	});
}
function Dr({ measure: e, value: t, of: n }) {
	let r = Tr[e], i = n?.baseline_low ?? null, a = n?.baseline_high ?? null, o = Number.isFinite(t), s = o ? i === null || a === null ? "" : t > a ? r.above : t < i ? r.below : "as by chance" : "not defined";
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("dt", {
		title: r.says,
		children: [
			/* @__PURE__ */ K("span", {
				class: "measure-name",
				children: e
			}),
			" ",
			/* @__PURE__ */ K("span", {
				class: "value",
				children: U(t)
			})
		]
	}), /* @__PURE__ */ K("dd", { children: [/* @__PURE__ */ K(Or, {
		value: o ? t : null,
		low: i,
		high: a,
		mean: n?.mean ?? null
	}), /* @__PURE__ */ K("span", {
		class: "soft",
		children: [s, i !== null && a !== null && ` (${U(i)} to ${U(a)})`]
	})] })] });
}
function Or({ value: e, low: t, high: n, mean: r }) {
	let i = [
		e,
		t,
		n,
		r
	].filter((e) => e !== null), a = Math.min(0, ...i), o = Math.max(1, ...i), s = (e) => `${100 * (e - a) / (o - a)}%`;
	return /* @__PURE__ */ K("span", {
		class: "track",
		"aria-hidden": "true",
		children: [
			t !== null && n !== null && /* @__PURE__ */ K("span", {
				class: "band",
				style: {
					left: s(t),
					width: `calc(${s(n)} - ${s(t)})`
				}
			}),
			r !== null && /* @__PURE__ */ K("span", {
				class: "mean",
				style: { left: s(r) }
			}),
			e !== null && /* @__PURE__ */ K("span", {
				class: "dot",
				style: { left: s(e) }
			})
		]
	});
}
// src/component/Levels.tsx
function kr({ index: e, levels: t, images: n }) {
	return t.length ? /* @__PURE__ */ K("section", {
		class: "levels",
		"aria-label": "Lower levels",
		children: [
			/* @__PURE__ */ K("h2", { children: "At lower levels" }),
			/* @__PURE__ */ K("p", {
				class: "soft says",
				children: "Whole images at lower levels of its activation: what a label says should be on those near the top, and need not be on the one in the middle."
			}),
			/* @__PURE__ */ K("ul", {
				class: "example-list",
				role: "list",
				children: t.map((t) => /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("figure", {
					class: "level",
					title: t.name,
					children: [/* @__PURE__ */ K(Qn, {
						path: e.at(`kept/${t.image}.webp`),
						alt: [t.name, t.label].filter(Boolean).join(", ")
					}), /* @__PURE__ */ K("figcaption", {
						class: "example-words",
						children: [Ar(t.quantile, n), t.label && /* @__PURE__ */ K("bdi", {
							class: "soft",
							children: t.label
						})]
					})]
				}) }, t.quantile))
			})
		]
	}) : null;
}
function Ar(e, t) {
	if (e === .5) return "in the middle";
	let n = Math.round(100 * (1 - e));
	return n > 0 ? `top ${n} %` : `top ${V(Math.max(1, Math.round(t * (1 - e))), "image")}`;
}
// src/component/Removed.tsx
var jr = 6;
function Mr({ index: e, row: t }) {
	let { transport: n, session: r } = B(), i = St(!1), a = St({
		state: "loading",
		job: null
	});
	return k(() => {
		if (!i.value) return;
		let r = new AbortController();
		return zt(async () => R(await n.get(e.at(`removed/${t}`), r.signal)), a, r.signal), () => r.abort();
	}, [
		e,
		t,
		i.value
	]), !e.info.heat || !r.can.search ? null : /* @__PURE__ */ K("section", {
		class: "panel",
		"aria-label": "Without it",
		children: [/* @__PURE__ */ K("h2", { children: "Without it" }), i.value ? /* @__PURE__ */ K(Hn, {
			of: a.value,
			what: "Without it",
			children: (e) => /* @__PURE__ */ K(Nr, { rows: e })
		}) : /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("p", {
			class: "soft",
			children: "What the outputs lose when it is set to its mean activation: where it fires most, and on other images."
		}), /* @__PURE__ */ K("button", {
			type: "button",
			class: "button",
			onClick: () => i.value = !0,
			children: "Measure"
		})] })]
	});
}
function Nr({ rows: e }) {
	let [t] = e;
	return t ? /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("table", {
		class: "bars",
		children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
			/* @__PURE__ */ K("th", {
				scope: "col",
				children: "Output"
			}),
			/* @__PURE__ */ K("td", {
				class: "value",
				children: "falls by"
			}),
			/* @__PURE__ */ K("td", {
				class: "value",
				children: "elsewhere"
			})
		] }) }), /* @__PURE__ */ K("tbody", { children: e.slice(0, jr).map((e) => /* @__PURE__ */ K("tr", { children: [
			/* @__PURE__ */ K("th", {
				scope: "row",
				children: /* @__PURE__ */ K("bdi", { children: e.name })
			}),
			/* @__PURE__ */ K("td", {
				class: "value",
				title: `95 % interval ${U(e.low)} to ${U(e.high)}`,
				children: [
					U(e.fall),
					" (",
					U(e.low),
					" to ",
					U(e.high),
					")"
				]
			}),
			/* @__PURE__ */ K("td", {
				class: "value",
				children: U(e.elsewhere)
			})
		] }, e.output)) })]
	}), /* @__PURE__ */ K("p", {
		class: "soft",
		children: [
			"In logits",
			e.length === 2 && ", of two classes their difference",
			", with the 95 % interval, on ",
			V(t.images, "image"),
			" that ",
			t.images === 1 ? "excites" : "excite",
			" it most and on ",
			V(t.others, "other"),
			" drawn at random. Less than 0: the output rises without it."
		]
	})] }) : /* @__PURE__ */ K("p", {
		class: "none",
		children: "The model has no outputs."
	});
}
// src/ui/queue.ts
var Pr = 4, Fr = [], Ir = 0;
function Lr(e) {
	return Fr.push(e), Rr(), () => {
		let t = Fr.indexOf(e);
		t >= 0 && Fr.splice(t, 1);
	};
}
function Rr() {
	if (Ir >= Pr) return;
	let e = Fr.pop();
	e && (Ir++, e().finally(() => {
		Ir--, Rr();
	}));
}
// src/ui/Crops.tsx
var zr = 120;
function Br({ index: e, row: t, count: n }) {
	let [, r] = O(0), i = e.base.crop[t], a = Math.min(n, e.base.examples[t]);
	k(() => {
		if (e.known(t) || a < 2) return;
		let n = () => {}, i = () => e.component(t).then(() => r((e) => e + 1), () => {}), o = setTimeout(() => n = Lr(i), zr);
		return () => (clearTimeout(o), n());
	}, [e, t]);
	let o = e.known(t)?.examples.map((e) => e.crop) ?? (i < 0 ? [] : [i]);
	return /* @__PURE__ */ K("span", {
		class: `crops of-${n}`,
		children: Array.from({ length: a }, (t, n) => /* @__PURE__ */ K(Qn, {
			path: o[n] === void 0 ? null : e.at(`crop/${o[n]}.webp`),
			alt: ""
		}, n))
	});
}
// src/ui/Card.tsx
function Vr({ index: e, row: t, crops: n = 4, tabIndex: r, children: i }) {
	let a = B(), o = Ct(() => {
		let n = a.pointed.value;
		return n && n.row === t && n.index === e.number ? "card pointed" : "card";
	}), s = () => a.pointed.value = {
		index: e.number,
		row: t
	}, c = () => a.pointed.value = null, l = e.title(t), u = e.id(t), d = e.tag(t);
	return /* @__PURE__ */ K("a", {
		class: o,
		href: Ln(a, e, t),
		tabIndex: r,
		draggable: !1,
		onPointerEnter: s,
		onPointerLeave: c,
		onFocus: s,
		onBlur: c,
		children: [/* @__PURE__ */ K(Br, {
			index: e,
			row: t,
			count: n
		}), /* @__PURE__ */ K("span", {
			class: "card-words",
			children: [
				/* @__PURE__ */ K("strong", {
					title: l,
					children: /* @__PURE__ */ K("bdi", { children: Sn(l) })
				}),
				/* @__PURE__ */ K("small", {
					class: "card-id",
					children: [/* @__PURE__ */ K("bdi", {
						title: u,
						children: l === u ? Hr(e) : Sn(u)
					}), d && /* @__PURE__ */ K("span", {
						class: `tag ${d}`,
						children: d
					})]
				}),
				i
			]
		})]
	});
}
function Hr(e) {
	return e.labels.value.state === "ready" ? "no label: chance fits as well" : "";
}
// src/component/Near.tsx
var Ur = 12;
function Wr({ index: e, found: t }) {
	let { indexes: n } = B(), r = n.find((t) => t !== e);
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K(Gr, {
		title: "Most similar components",
		says: "Nearest in the semantic space, in any layer.",
		index: e,
		near: t.neighbours
	}), r && t.elsewhere.length > 0 && /* @__PURE__ */ K(Gr, {
		title: `In the other index, ${r.info.name}`,
		says: "What encodes nearly the same there.",
		index: r,
		near: t.elsewhere
	})] });
}
function Gr({ title: e, says: t, index: n, near: r }) {
	return /* @__PURE__ */ K("section", {
		class: "near",
		"aria-label": e,
		children: [
			/* @__PURE__ */ K("h2", { children: e }),
			/* @__PURE__ */ K("p", {
				class: "soft says",
				children: r.length ? t : "There is none."
			}),
			/* @__PURE__ */ K("ul", {
				class: "near-list",
				role: "list",
				children: r.slice(0, Ur).map(({ row: e, similarity: t }) => /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K(Vr, {
					index: n,
					row: e,
					crops: n.info.k < 3 ? 2 : 4,
					children: /* @__PURE__ */ K("small", {
						class: "soft",
						title: "cosine similarity of the two",
						children: ["similarity ", U(t)]
					})
				}) }, e))
			})
		]
	});
}
// src/ui/arrive.ts
var Kr = !1;
function qr() {
	Kr = !0;
}
function Jr() {
	let e = B(), t = e.place.route.value, n = j();
	k(() => {
		let e = (e) => e.navigationType === "traverse" && qr();
		return window.navigation?.addEventListener("navigate", e), () => window.navigation?.removeEventListener("navigate", e);
	}, []), k(() => {
		let r = t.path.join("/");
		n.current !== void 0 && n.current !== r && Kn(e) && Yr(), n.current = r, Kr = !1;
	}, [t]);
}
function Yr() {
	Kr || scrollTo(0, 0), document.activeElement === document.body && document.querySelector(".semlens > main")?.focus({ preventScroll: !0 });
}
// src/component/Steps.tsx
function Xr({ index: e, row: t }) {
	let n = B(), { place: r } = n, i = n.order.value, a = i.indexOf(t), o = i[a + 1], s = a < 0 ? void 0 : i[a - 1], c = { show: n.param("show") || null }, l = (t) => {
		t !== void 0 && (qr(), r.go(e.path(t), {
			...In(n, e),
			...c
		}));
	}, u = () => l(i[Math.floor(Math.random() * i.length)]);
	Yn({
		j: () => l(o),
		k: () => l(s),
		r: u
	}), k(() => {
		for (let t of [o, s]) t !== void 0 && e.component(t).catch(() => {});
	}, [
		e,
		o,
		s
	]);
	let d = n.query.value ? "of the search" : "of the list";
	return /* @__PURE__ */ K("nav", {
		class: "steps",
		"aria-label": "Components",
		children: [
			/* @__PURE__ */ K(Zr, {
				name: "Previous",
				sign: "k",
				icon: "left",
				href: s === void 0 ? null : Ln(n, e, s, c)
			}),
			/* @__PURE__ */ K("span", {
				class: "soft place",
				children: a < 0 ? `not among the ${H(i.length)} ${d}` : `${H(a + 1)} of ${H(i.length)} ${d}`
			}),
			/* @__PURE__ */ K(Zr, {
				name: "Next",
				sign: "j",
				icon: "right",
				href: o === void 0 ? null : Ln(n, e, o, c)
			}),
			/* @__PURE__ */ K("span", { class: "space" }),
			/* @__PURE__ */ K("button", {
				type: "button",
				class: "button",
				"aria-label": "Random component",
				title: "A random component (r)",
				disabled: !i.length,
				onClick: u,
				children: [
					/* @__PURE__ */ K(q, { name: "dice" }),
					" ",
					/* @__PURE__ */ K("span", {
						class: "word",
						children: "Random"
					})
				]
			}),
			/* @__PURE__ */ K("a", {
				class: "button",
				href: r.href([], {
					...In(n, e),
					at: t
				}),
				"aria-label": "On the map",
				title: "The map, centred on this component",
				children: [
					/* @__PURE__ */ K(q, { name: "map" }),
					" ",
					/* @__PURE__ */ K("span", {
						class: "word",
						children: "On the map"
					})
				]
			}),
			/* @__PURE__ */ K(Qr, {
				path: e.path(t),
				index: e
			})
		]
	});
}
function Zr({ name: e, sign: t, icon: n, href: r }) {
	let i = `${e} component`, a = /* @__PURE__ */ K(q, { name: n }, "icon"), o = /* @__PURE__ */ K("span", {
		class: "word",
		children: e
	}, "word"), s = n === "left" ? [a, o] : [o, a];
	return r === null ? /* @__PURE__ */ K("span", {
		class: "button",
		role: "link",
		"aria-disabled": "true",
		"aria-label": i,
		children: s
	}) : /* @__PURE__ */ K("a", {
		class: "button",
		href: r,
		"aria-label": i,
		title: `${i} (${t})`,
		children: s
	});
}
function Qr({ path: e, index: t }) {
	let n = B(), r = async () => {
		let r = {
			i: t.number || null,
			q: null,
			image: null,
			layers: null,
			words: null,
			cluster: null,
			tag: null,
			sel: null
		}, i = new URL(n.place.href(e, r), location.href).href;
		try {
			await navigator.clipboard.writeText(i), n.told.value = "Link copied.";
		} catch {
			n.told.value = i;
		}
	};
	return /* @__PURE__ */ K("button", {
		type: "button",
		class: "button",
		"aria-label": "Copy link",
		title: "Copy a link to this component",
		onClick: () => void r(),
		children: [
			/* @__PURE__ */ K(q, { name: "link" }),
			" ",
			/* @__PURE__ */ K("span", {
				class: "word",
				children: "Copy link"
			})
		]
	});
}
// src/views/Component.tsx
function $r() {
	let e = B(), t = e.index.value, [, n = "", r = "", i = ""] = e.place.route.value.path, a = n === t.info.name && /^\d+$/.test(i) ? t.row(r, Number(i)) : -1;
	return a < 0 ? /* @__PURE__ */ K(ei, {
		name: n,
		component: `${r}:${i}`
	}) : /* @__PURE__ */ K(ti, {
		index: t,
		row: a
	}, `${t.number} ${a}`);
}
function ei({ name: e, component: t }) {
	let n = B();
	return /* @__PURE__ */ K("div", {
		class: "component",
		children: [/* @__PURE__ */ K("h1", { children: "There is no such component" }), /* @__PURE__ */ K("p", { children: [
			"No index here has ",
			/* @__PURE__ */ K("bdi", { children: t }),
			" under the name ",
			/* @__PURE__ */ K("bdi", { children: e }),
			". ",
			/* @__PURE__ */ K("a", {
				href: n.place.href([], In(n, n.index.value)),
				children: "See all components"
			})
		] })]
	});
}
function ti({ index: e, row: t }) {
	let n = B(), r = cr(e, t);
	return /* @__PURE__ */ K("article", {
		class: "component",
		children: [
			/* @__PURE__ */ K(Xr, {
				index: e,
				row: t
			}),
			/* @__PURE__ */ K(ni, {
				index: e,
				row: t
			}),
			/* @__PURE__ */ K("div", {
				class: "component-body",
				children: [/* @__PURE__ */ K("div", {
					class: "main-column",
					children: [
						/* @__PURE__ */ K(Hn, {
							of: r,
							what: "Component",
							children: (t) => t.dead ? /* @__PURE__ */ K(ri, { component: t }) : /* @__PURE__ */ K(ur, {
								index: e,
								found: t
							})
						}),
						r.state === "ready" && !r.value.dead && /* @__PURE__ */ K(kr, {
							index: e,
							levels: r.value.levels,
							images: r.value.images
						}),
						r.state === "ready" && !r.value.dead && /* @__PURE__ */ K(Wr, {
							index: e,
							found: r.value
						})
					]
				}), /* @__PURE__ */ K("div", {
					class: "side-column",
					children: [
						n.session.can.annotate && /* @__PURE__ */ K(vr, {
							index: e,
							row: t
						}),
						r.state === "ready" && !r.value.dead && /* @__PURE__ */ K(T, { children: [
							/* @__PURE__ */ K(br, {
								index: e,
								label: r.value.label
							}),
							/* @__PURE__ */ K(Bn, {
								index: e,
								relevance: r.value.relevance
							}),
							/* @__PURE__ */ K(Mr, {
								index: e,
								row: t
							}),
							/* @__PURE__ */ K(Er, {
								index: e,
								row: t
							})
						] }),
						r.state === "ready" && /* @__PURE__ */ K(Pn, {
							index: e,
							found: r.value
						})
					]
				})]
			})
		]
	});
}
function ni({ index: e, row: t }) {
	let n = e.info.layers[e.base.layer[t]], r = Cn(n.kind), i = e.title(t), a = e.id(t), o = e.names.get(t), s = e.tag(t);
	return /* @__PURE__ */ K("header", {
		class: "component-head",
		children: [/* @__PURE__ */ K("h1", { children: [
			/* @__PURE__ */ K("bdi", { children: Sn(i) }),
			" ",
			s && /* @__PURE__ */ K("span", {
				class: `tag ${s}`,
				children: s
			})
		] }), /* @__PURE__ */ K("p", {
			class: "soft",
			children: [
				i !== a && /* @__PURE__ */ K(T, { children: [
					/* @__PURE__ */ K("bdi", { children: Sn(a) }),
					":",
					" "
				] }),
				"unit ",
				t - n.start,
				" of the ",
				H(n.stop - n.start),
				" ",
				r ? "latents of a dictionary: layer " : `${n.kind} of layer `,
				/* @__PURE__ */ K("bdi", { children: n.layer }),
				r && Number.isFinite(r.unexplained) && `, of whose variance it leaves ${G(r.unexplained)} unexplained`,
				r && `; ${G(n.dead / (n.stop - n.start))} of its latents never fire, this one on ${G(e.base.fired[t])} of the images`,
				n.outputs && ", the model’s outputs",
				o && o === i && e.label(t) && e.label(t) !== o && /* @__PURE__ */ K(T, { children: [
					"; what it responds to most: “",
					/* @__PURE__ */ K("bdi", { children: e.label(t) }),
					"”"
				] }),
				o && o !== i && /* @__PURE__ */ K(T, { children: [
					"; the model itself calls it “",
					/* @__PURE__ */ K("bdi", { children: o }),
					"”"
				] })
			]
		})]
	});
}
function ri({ component: e }) {
	return /* @__PURE__ */ K("section", {
		class: "dead",
		"aria-label": "Dead component",
		children: [/* @__PURE__ */ K("h2", { children: "This component is dead" }), /* @__PURE__ */ K("p", { children: [
			"It tells none of the ",
			e.images.toLocaleString("en-GB"),
			" images apart: ",
			e.fired ? "its activation is the same on all of them" : "it fires on none of them",
			e.nan > 0 && `; on ${e.nan.toLocaleString("en-GB")} its activation is not a number`,
			". So it has no examples, no label and no place on the map."
		] })]
	});
}
// src/explore/Similarity.tsx
var ii = 1.96;
function ai({ value: e, scale: t }) {
	let n = !(e > t.baseline) && Number.isFinite(t.baseline), r = (e) => `${100 * Math.min(1, Math.max(0, e / t.top))}%`, [i, a] = [e - ii * t.error, e + ii * t.error], o = t.error > 0 && Number.isFinite(e), s = o ? `effect: standard deviations of its activation per unit of the foundation model’s space, with the 95 % interval; z ${(e / t.error).toFixed(1)}` : t.by === "encoding" ? "effect" : "alignment: cosine similarity to what is asked, less that to nothing in particular";
	return /* @__PURE__ */ K("span", {
		class: `similarity ${n ? "chance" : ""}`,
		children: [/* @__PURE__ */ K("span", {
			class: "similarity-bar",
			"aria-hidden": "true",
			children: [
				/* @__PURE__ */ K("span", {
					class: "fill",
					style: { width: r(e) }
				}),
				o && /* @__PURE__ */ K("span", {
					class: "whisker",
					style: {
						left: r(i),
						width: `calc(${r(a)} - ${r(i)})`
					}
				}),
				Number.isFinite(t.baseline) && /* @__PURE__ */ K("span", {
					class: "tick",
					style: { left: r(t.baseline) }
				})
			]
		}), /* @__PURE__ */ K("span", {
			class: "similarity-words",
			children: [
				/* @__PURE__ */ K("span", {
					class: "value",
					title: s,
					children: Number.isFinite(e) ? U(e) : "not encoded"
				}),
				o && ` (${U(i)} to ${U(a)})`,
				n && (o ? " as by chance" : " no better than chance")
			]
		})]
	});
}
function oi({ by: e, value: t, baseline: n, error: r }) {
	let i = 0;
	for (let e of t) e > i && (i = e);
	return {
		by: e,
		top: Math.max(i + ii * r, (Number.isFinite(n) ? n : 0) * 1.05, .01),
		baseline: n,
		error: r
	};
}
// src/explore/Cards.tsx
var si = 12, ci = 61, li = 34, ui = 1;
function di({ index: e, rows: t, found: n, scale: r, count: i }) {
	let a = j(null), { width: o, from: s, until: c } = mi(a), [l, u] = O(0), d = j(0), f = j(!1), p = Math.max(o < 460 ? 2 : 1, Math.floor((o + si) / 184)), m = (o - si * (p - 1)) / p, h = e.info.k < 3, g = (h ? m / 2 : m) + ci + (n ? li : 0), _ = g + si, v = Math.ceil(i / p), y = Math.max(0, Math.floor(s / _) - ui), b = Math.min(v, Math.ceil(c / _) + ui), x = Math.min(l, Math.max(0, i - 1)), S = (e) => {
		d.current = e, u(e);
	};
	k(() => S(0), [t]), k(() => {
		f.current && (f.current = !1, a.current?.querySelector(`[data-at="${x}"] > a`)?.focus());
	});
	let C = (e) => {
		let t = fi(e.key, Math.min(d.current, i - 1), p, i);
		t === null || e.ctrlKey || e.metaKey || e.altKey || (e.preventDefault(), f.current = !0, S(t));
	}, w = o ? pi(y * p, Math.min(i, b * p), x, i) : [];
	return /* @__PURE__ */ K("ul", {
		ref: a,
		class: "cards",
		role: "list",
		style: { height: `${Math.max(0, v * _ - si)}px` },
		onKeyDown: C,
		children: w.map((a) => {
			let o = t[a], s = {
				left: `${a % p * (m + si)}px`,
				top: `${Math.floor(a / p) * _}px`,
				width: `${m}px`,
				height: `${g}px`
			};
			return /* @__PURE__ */ K("li", {
				"data-at": a,
				"aria-setsize": i,
				"aria-posinset": a + 1,
				style: s,
				onFocusIn: () => !f.current && S(a),
				children: /* @__PURE__ */ K(Vr, {
					index: e,
					row: o,
					crops: h ? 2 : 4,
					tabIndex: a === x ? 0 : -1,
					children: n && r && /* @__PURE__ */ K(ai, {
						value: n.value[o],
						scale: r
					})
				})
			}, o);
		})
	});
}
function fi(e, t, n, r) {
	let i = {
		ArrowLeft: -1,
		ArrowRight: 1,
		ArrowUp: -n,
		ArrowDown: n
	}[e];
	if (e === "Home") return 0;
	if (e === "End") return r - 1;
	if (i === void 0) return null;
	let a = t + i;
	return a < 0 || a >= r ? t : a;
}
function pi(e, t, n, r) {
	let i = Array.from({ length: Math.max(0, t - e) }, (t, n) => e + n);
	return r && (n < e || n >= t) && i.push(n), i;
}
function mi(e) {
	let [t, n] = O({
		width: 0,
		from: 0,
		until: 0
	});
	return A(() => {
		let t = 0, r = () => {
			t = 0;
			let r = e.current.getBoundingClientRect(), i = Math.floor(-r.top / 64) * 64, a = {
				width: e.current.clientWidth,
				from: i,
				until: i + innerHeight + 64
			};
			n((e) => e.width === a.width && e.from === a.from && e.until === a.until ? e : a);
		}, i = () => {
			t ||= requestAnimationFrame(r);
		};
		r();
		let a = new ResizeObserver(i);
		return a.observe(e.current), document.addEventListener("scroll", i, {
			capture: !0,
			passive: !0
		}), addEventListener("resize", i), () => {
			cancelAnimationFrame(t), a.disconnect(), document.removeEventListener("scroll", i, { capture: !0 }), removeEventListener("resize", i);
		};
	}, []), t;
}
// src/audit/words.ts
var J = [
	"valid",
	"spurious",
	"both",
	"neither"
], hi = {
	valid: "valid only",
	spurious: "spurious only",
	both: "both valid and spurious",
	neither: "neither"
}, gi = {
	...hi,
	both: "both"
}, _i = (e) => e !== null && Number.isFinite(e);
function Y(e, t = 1) {
	return _i(e) ? `${(100 * e).toFixed(t)}\u00a0%` : "not known";
}
function vi(e, t, n = 1) {
	return _i(e) && _i(t) ? `${(100 * e).toFixed(n)} to ${Y(t, n)}` : "not known";
}
function yi(e) {
	return _i(e) ? e.toFixed(1).replace("-0.0", "0.0").replace("-", "−") : "none";
}
function bi(e) {
	return _i(e) ? `needs ${yi(e)}` : "no alignment is enough: too few random components";
}
function xi(e) {
	return _i(e) ? `p\u00a0=\u00a0${Number(e.toPrecision(2))}` : "p not known";
}
function Si(e, t) {
	return `${e.toLocaleString("en-GB")} ${t}${e === 1 ? "" : "s"}`;
}
function Ci(e) {
	return _i(e) ? e.toLocaleString("en-GB", { maximumFractionDigits: 1 }) : "not known";
}
function wi(e, t = 120) {
	let n = e.trim().replace(/\s+/g, " ");
	return n.length > t ? `${n.slice(0, t - 1)}…` : n;
}
// src/audit/requirement.ts
var Ti = "(\\d+(?:\\.\\d+)?|\\.\\d+) ?(%?)", Ei = RegExp(`^(relevance_mass|net_relevance|drivers|components) ?\\(([\\w +]+)\\) ?(<=|>=|<|>) ?${Ti}$`), Di = RegExp(`^no component with spurious > valid above relevance ${Ti}$`), Oi = { unexpected: "neither" }, ki = {
	valid: "valid concepts only",
	spurious: "spurious concepts only",
	both: "both valid and spurious concepts",
	neither: "no concept of the spec"
}, Ai = {
	"<=": "At most",
	"<": "Less than",
	">=": "At least",
	">": "More than"
}, ji = (e, t) => Number(e) / (t ? 100 : 1);
function Mi(e) {
	let t = e.trim().replace(/\s+/g, " "), n = Di.exec(t);
	if (n) return {
		figure: "worst",
		quadrants: [],
		operator: "<=",
		limit: ji(n[1], n[2])
	};
	let r = Ei.exec(t);
	if (!r) return null;
	let i = r[2].split("+").map((e) => Oi[e.trim()] ?? e.trim()), a = r[1] === "drivers" || r[1] === "net_relevance" ? ["valid", "spurious"] : J;
	return i.every((e) => a.includes(e)) ? {
		figure: r[1],
		quadrants: [...new Set(i)],
		operator: r[3],
		limit: ji(r[4], r[5])
	} : null;
}
function Ni(e) {
	return e.figure !== "components";
}
function Pi(e) {
	return Ni(e) ? `${Number((100 * e.limit).toPrecision(6))}\u00a0%` : String(e.limit);
}
function Fi(e, t) {
	if (e.figure === "worst") return `No component that fits a spurious concept better than any valid one has more than ${Pi(e)} of what speaks for it in its layer`;
	let n = e.quadrants.map((e) => ki[e]).join(" or "), r = `${Ai[e.operator]} ${Pi(e)}`;
	if (e.figure === "components") return `${r} components fit ${n}`;
	let i = e.quadrants.map((e) => `${e} concepts`).join(" or ");
	return e.figure === "drivers" ? `${r} of all that drives “${t}”, for it or against it, is ${i}` : e.figure === "net_relevance" ? `${r} of what speaks for “${t}” goes through ${i}, less what speaks against it, concept by concept` : `${r} of what speaks for “${t}” goes through components that fit ${n}`;
}
function Ii(e, t) {
	if (!Ni(t)) return Ci(e);
	for (let n of [
		1,
		2,
		3
	]) if (Y(e, n) !== Y(t.limit, n)) return Y(e, n);
	return Y(e);
}
function Li(e, t) {
	return Ni(t) ? vi(e.low, e.high) : `${Ci(e.low)} to ${Ci(e.high)}`;
}
function Ri(e, t) {
	return e === null ? !1 : t.operator === "<=" ? e <= t.limit : t.operator === "<" ? e < t.limit : t.operator === ">=" ? e >= t.limit : e > t.limit;
}
// src/audit/recount.ts
var zi = {
	valid: null,
	spurious: null
}, Bi = (e) => e.valid !== null || e.spurious !== null;
function Vi(e, t, n) {
	return n[t] ?? (t === "valid" ? e.valid_critical : e.spurious_critical) ?? Infinity;
}
function Hi(e) {
	return e.component.slice(0, e.component.lastIndexOf(":"));
}
var Ui = /* @__PURE__ */ new WeakMap();
function Wi(e) {
	let t = Ui.get(e);
	if (t) return t;
	let n = (e, t, n) => `${e}\n${t}\n${n}`, r = new Map(e.layers.map((e, t) => [e, t])), i = new Map(e.concepts.map((e, t) => [n(e.layer, e.side, e.concept), t])), a = {
		layer: Int32Array.from(e.rows, (e) => r.get(Hi(e))),
		valid: Int32Array.from(e.rows, (e) => i.get(n(Hi(e), "valid", e.valid_concept)) ?? -1),
		spurious: Int32Array.from(e.rows, (e) => i.get(n(Hi(e), "spurious", e.spurious_concept)) ?? -1)
	};
	return Ui.set(e, a), a;
}
function Gi(e, t) {
	let n = e.layers.indexOf(t), r = Wi(e).layer;
	return Int32Array.from(r.keys()).filter((e) => r[e] === n);
}
var Ki = [
	3,
	0,
	1,
	2
], qi = 3;
function Ji(e, t) {
	let n = new Uint8Array(e.rows.length), r = new Uint8Array(e.rows.length);
	return e.rows.forEach((e, i) => {
		n[i] = Bi(t) ? Yi(e, t) : J.indexOf(e.quadrant), r[i] = Number((n[i] === 1 || n[i] === 2) && e.spurious > e.valid);
	}), {
		audit: e,
		moved: t,
		quadrant: n,
		offends: r,
		shares: Xi(e, n),
		concepts: Bi(t) ? Qi(e, n) : e.concepts
	};
}
function Yi(e, t) {
	let n = e.valid > Vi(e, "valid", t), r = e.spurious > Vi(e, "spurious", t);
	return Ki[Number(n) + 2 * Number(r)];
}
function Xi(e, t) {
	let n = e.layers.flatMap((e) => J.map((t) => ({
		layer: e,
		quadrant: t,
		components: 0,
		relevance: 0
	}))), { layer: r } = Wi(e), i = e.layers.map(() => 0);
	if (e.rows.forEach((a, o) => {
		let s = 4 * r[o];
		n[s + t[o]].components += 1, (e.by !== "encoding" || t[o] === qi) && (n[s + t[o]].relevance += a.relevance), e.by === "encoding" && a.spurious_share !== null && (i[r[o]] += a.relevance, n[s].relevance += a.relevance * (1 - a.spurious_share), n[s + 1].relevance += a.relevance * a.spurious_share);
	}), e.by === "encoding") return n.map((e, t) => Zi(e, i[t >> 2]));
	let a = new Set(n.filter((e) => e.relevance > 0).map((e) => e.layer));
	return n.map((e) => a.has(e.layer) ? e : {
		...e,
		relevance: null
	});
}
function Zi(e, t) {
	return e.quadrant === "both" || e.quadrant === "neither" ? e : {
		...e,
		relevance: t > 0 ? e.relevance / t : null
	};
}
function Qi(e, t) {
	let n = e.concepts.map((e) => ({
		...e,
		components: 0,
		relevance: 0,
		against: 0
	})), r = Wi(e);
	return e.rows.forEach((e, i) => {
		for (let a of $i(t[i])) {
			let t = n[r[a][i]];
			t && (t.components += 1, t.relevance += e.relevance, t.against += e.against);
		}
	}), n.sort((e, t) => t.relevance - e.relevance);
}
var $i = (e) => ea[e], ea = [
	["valid"],
	["spurious"],
	["valid", "spurious"],
	[]
];
function ta(e, t) {
	if (t.figure === "drivers" || t.figure === "net_relevance" && e.audit.by === "encoding") return na(e.audit, t);
	let n = t.operator.startsWith("<") ? 1 : -1, r = e.audit.layers.map((n, r) => ({
		layer: n,
		value: ia(e, t, r)
	})), i = (e) => e === null ? Infinity : n * e, a = r.reduce((e, t) => i(t.value) > i(e.value) ? t : e);
	return {
		...a,
		met: Ri(a.value, t)
	};
}
function na(e, t) {
	let n = e.verdicts.find((e) => JSON.stringify(Mi(e.requirement)) === JSON.stringify(t));
	return {
		value: n?.value ?? null,
		layer: n?.layer ?? "",
		met: Ri(n?.value ?? null, t)
	};
}
function ra({ audit: e, quadrant: t }, n, r) {
	let { layer: i } = Wi(e), a = /* @__PURE__ */ new Map();
	return e.rows.forEach((e, o) => {
		if (i[o] !== r || !$i(t[o]).includes(n)) return;
		let s = e[`${n}_concept`];
		a.set(s, (a.get(s) ?? 0) + e.relevance - e.against);
	}), [...a.values()].reduce((e, t) => e + Math.max(t, 0), 0);
}
function ia(e, t, n) {
	let { audit: r, offends: i, shares: a } = e, o = a.slice(4 * n, 4 * n + 4);
	if (t.figure !== "components" && o.some((e) => e.relevance === null)) return null;
	if (t.figure === "worst") {
		let { layer: e } = Wi(r);
		return r.rows.reduce((t, r, a) => i[a] && e[a] === n ? Math.max(t, r.relevance * (r.spurious_share ?? 1)) : t, 0);
	}
	return t.figure === "net_relevance" ? t.quadrants.reduce((t, r) => t + ra(e, r, n), 0) : o.filter((e) => t.quadrants.includes(e.quadrant)).reduce((e, n) => e + (t.figure === "components" ? n.components : n.relevance), 0);
}
// src/audit/spec.ts
var aa = ["valid", "spurious"], oa = .05, sa = ["{}"], ca = ["net_relevance(spurious) <= 0.15", "drivers(spurious) <= 0.25"];
function la(e) {
	return {
		output: e,
		valid: [],
		spurious: [],
		requirements: [...ca],
		title: "",
		notes: "",
		layers: [],
		templates: [...sa],
		fdr: oa
	};
}
function ua(e) {
	let t = (e) => (Array.isArray(e) ? e : []).map(da);
	return {
		output: e.output ?? "",
		valid: t(e.valid),
		spurious: t(e.spurious),
		requirements: [...e.requirements ?? []],
		title: e.title ?? "",
		notes: e.notes ?? "",
		layers: [...e.layers ?? []],
		templates: e.templates?.length ? [...e.templates] : [...sa],
		fdr: e.fdr ?? oa
	};
}
function da(e) {
	return typeof e == "string" ? {
		name: e,
		phrases: [],
		images: []
	} : {
		name: e.name ?? "",
		phrases: [...e.phrases ?? []],
		images: [...e.images ?? []]
	};
}
function fa(e) {
	let t = (e) => e.map(pa), n = e.requirements.map((e) => e.trim()).filter(Boolean), r = e.templates.map((e) => e.trim()).filter(Boolean);
	return {
		...e.title.trim() && { title: e.title.trim() },
		...e.notes.trim() && { notes: e.notes.trim() },
		output: e.output,
		valid: t(e.valid),
		spurious: t(e.spurious),
		...n.length && { requirements: n },
		...e.layers.length && { layers: e.layers },
		...r.length && r.join("\n") !== sa.join() && { templates: r },
		...e.fdr !== oa && { fdr: e.fdr }
	};
}
function pa({ name: e, phrases: t, images: n }) {
	return !t.length && !n.length ? e : {
		name: e,
		...t.length && { phrases: t },
		...n.length && { images: n }
	};
}
function ma(e) {
	let { title: t, notes: n, ...r } = fa(e);
	return JSON.stringify(r);
}
function ha(e) {
	if (e.output === "") return "Choose the class that is audited.";
	let t = aa.filter((t) => !e[t].length);
	return t.length === 2 ? "Add at least one valid and one spurious concept, and the result appears here." : t.length ? `Add at least one ${t[0]} concept, and the result appears here.` : "";
}
function ga(e) {
	let t = new TextEncoder().encode(JSON.stringify(fa(e))), n = "";
	for (let e of t) n += String.fromCharCode(e);
	return btoa(n).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
function _a(e) {
	try {
		let t = e.trimStart().startsWith("{") ? e : new TextDecoder().decode(Uint8Array.from(atob(e.replace(/-/g, "+").replace(/_/g, "/")), (e) => e.charCodeAt(0))), n = JSON.parse(t);
		return typeof n == "object" && n && !Array.isArray(n) ? ua(n) : null;
	} catch {
		return null;
	}
}
function va(e) {
	let t = e.indexOf(":"), n = (t < 0 ? e : e.slice(0, t)).trim(), r = t < 0 ? [] : ba(e.slice(t + 1));
	return n ? {
		name: n,
		phrases: r,
		images: []
	} : null;
}
function ya(e) {
	return e.phrases.length ? `${e.name}: ${e.phrases.join("; ")}` : e.name;
}
function ba(e) {
	return e.split(/[;\n]/).map((e) => e.trim()).filter(Boolean);
}
function xa(e) {
	return e.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "audit";
}
// src/audit/files.ts
var Sa = /* @__PURE__ */ new WeakMap();
function Ca(e, t) {
	let n = Sa.get(t) ?? Bt(async () => R(await e.get(t.at("audits"))));
	return Sa.set(t, n), n;
}
var wa = /* @__PURE__ */ new WeakMap();
function Ta(e, t) {
	let n = wa.get(t) ?? Bt(async () => R(await e.get(t.at("specs"))));
	return wa.set(t, n), n;
}
function Ea(e, t, { output: n, verdict: r }) {
	let i = wa.get(e);
	i?.value.state === "ready" && (i.value = {
		state: "ready",
		value: {
			...i.value.value,
			last: {
				spec: t,
				output: n,
				verdict: r
			}
		}
	});
}
async function Da(e, t, n, r) {
	let i = R(await e.post(t.at("specs"), JSON.stringify({
		name: n,
		spec: r
	})));
	Ta(e, t).value = {
		state: "ready",
		value: i
	};
}
async function Oa(e, t) {
	return ua(R(await e.post("spec/read", t)).spec);
}
async function ka(e, t, n = []) {
	let r = await e.post("spec/write", JSON.stringify({
		spec: t,
		verdicts: n
	}));
	return new Blob([Lt(r)], { type: "application/yaml" });
}
async function Aa(e, t, n) {
	for (;;) try {
		let r = await e.post(t.at("report"), JSON.stringify({ spec: n }));
		return new Blob([Lt(r)], { type: "text/html" });
	} catch (e) {
		if (!(e instanceof Ft)) throw e;
		await new Promise((e) => setTimeout(e, 400));
	}
}
function ja(e, t, n) {
	let r = Array.from(n, (e) => ({
		...t.audit.rows[e],
		quadrant: J[t.quadrant[e]]
	}));
	return {
		...Object.fromEntries([
			"component",
			"label",
			"quadrant",
			"relevance",
			"against",
			"valid",
			"spurious",
			"valid_concept",
			"spurious_concept",
			"valid_p",
			"spurious_p"
		].map((e) => [e, r.map((t) => t[e])])),
		valid_critical: r.map((e) => Vi(e, "valid", t.moved)),
		spurious_critical: r.map((e) => Vi(e, "spurious", t.moved)),
		affected: r.map((e) => e.affected.join("; ")),
		tag: r.map(({ row: t }) => e.tag(t)),
		note: r.map(({ row: t }) => e.annotation(t)?.note ?? null)
	};
}
function Ma(e, t) {
	let n = t.verdicts.map((e) => {
		let t = Mi(e.requirement), n = t ? ` ${Ii(e.value, t)} (${Li(e, t)})` : "", r = e.sure || e.verdict === "cannot tell" ? "" : ", not sure";
		return `${e.verdict}${r}${e.reason ? ` (${e.reason})` : ""}: ${e.requirement}:${n} in ${e.layer}`;
	}), r = t.rows.flatMap(({ row: t, component: n }) => {
		let r = e.annotation(t);
		return r?.tag || r?.note ? [`${n}: ${[r.tag, r.note].filter(Boolean).join(", ")}`] : [];
	});
	return [
		`audit of ${t.output} on ${t.images} images`,
		...n,
		...r
	];
}
// src/explore/Intro.tsx
function Na() {
	let e = B(), { place: t } = e, n = e.index.value, { info: r } = n, i = z(n.labels.value), a = i && i.label.reduce((e, t) => e + +(t >= 0), 0), o = r.classes.find((t) => t.number === e.of.value);
	return /* @__PURE__ */ K("section", {
		class: "intro",
		"aria-label": "What this is",
		children: [/* @__PURE__ */ K("p", { children: [
			/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: r.model }) }),
			Fa(r),
			", seen through ",
			V(r.images.count, "image"),
			". ",
			/* @__PURE__ */ K("bdi", { children: r.foundation.name }),
			" relates its ",
			V(r.components, "component"),
			" to words",
			r.explained !== null && ` and explains ${G(r.explained)} of the activation of the one in the middle`,
			a !== void 0 && `; ${H(a)} ${a === 1 ? "has" : "have"} a label`,
			"."
		] }), /* @__PURE__ */ K("ul", {
			role: "list",
			children: [
				/* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("a", {
					href: t.href(["table"]),
					children: "What has it learned?"
				}) }),
				o && /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("a", {
					href: t.href(["graph"], { class: o.number }),
					children: [
						"What drives “",
						/* @__PURE__ */ K("bdi", { children: o.name }),
						"”?"
					]
				}) }), /* @__PURE__ */ K("li", { children: [/* @__PURE__ */ K("a", {
					href: t.href(["audit"], { class: o.number }),
					children: "Does it rely on what it should?"
				}), e.session.can.audit && /* @__PURE__ */ K(Pa, {})] })] }),
				r.own && /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("a", {
					href: t.href(["picture"]),
					children: "What does it make of your picture?"
				}) })
			]
		})]
	});
}
function Pa() {
	let e = B(), t = z(Ta(e.transport, e.index.value).value)?.last;
	return t ? /* @__PURE__ */ K("span", {
		class: `last-audit ${t.verdict === "cannot tell" ? "untold" : t.verdict}`,
		children: [
			" ",
			"last audit, of “",
			/* @__PURE__ */ K("bdi", { children: t.output }),
			"”: ",
			t.verdict
		]
	}) : null;
}
function Fa({ outputs: e }) {
	let { count: t, first: n } = e;
	if (!t) return "";
	let r = n.join(", ");
	return t > n.length ? `, with ${H(t)} outputs (${r} …)` : `, with the ${t === 1 ? "output" : "outputs"} ${r}`;
}
// src/explore/listing.ts
function Ia() {
	let e = B(), t = e.index.value, n = e.search.value, r = n ? z(n) ?? null : null, i = j(), a = n?.state === "loading", o = a && i.current?.index === t ? i.current : {
		index: t,
		rows: e.order.value,
		found: r
	};
	i.current = o;
	let s = n?.state === "absent" ? Ba(e, n.why) : r ? za(e, r) : Ra(e), c = a ? `Searching for ${La(e)} …` : s.title;
	return {
		...o,
		busy: a,
		job: n?.state === "loading" ? n.job : null,
		title: c,
		says: s.says
	};
}
function La(e) {
	let t = e.param("q");
	return t ? `“${t}”` : "your picture";
}
function Ra(e) {
	let t = e.index.value, n = e.order.value, r = {
		ready: "the labelled and clearest first",
		loading: "being put in order",
		absent: "in the model’s order"
	}[t.scores.value.state], i = Rn(e.place) ? ` of ${H(t.count)}` : "";
	return {
		title: `${H(n.length)}${i} ${n.length === 1 && !i ? "component" : "components"}, ${r}`,
		says: "Each card is a component: a part of the model that reacts to something. Its pictures are what excites it most."
	};
}
function za(e, t) {
	let n = e.order.value, r = n.reduce((e, n) => e + +(t.value[n] > t.baseline), 0);
	if (t.by === "encoding") {
		let t = `${H(r)} of ${V(n.length, "component")} ${r === 1 ? "responds" : "respond"} more than chance: 95 % of components with permuted activations stay below the tick.`;
		return {
			title: `What responds most to ${La(e)}`,
			says: `Effect over all images, with its 95 % interval. ${t}`
		};
	}
	let i = Number.isFinite(t.baseline) ? `${H(r)} of ${V(n.length, "component")} ${r === 1 ? "is" : "are"} better aligned than chance: 95 % of random components stay below the tick.` : "There is no baseline to say what chance reaches.";
	return {
		title: `Most like ${La(e)}`,
		says: i
	};
}
function Ba(e, t) {
	let n = e.param("q");
	return n ? {
		title: `${V(e.order.value.length, "component")} with “${n}” in the label`,
		says: `Only labels are searched here: ${t}`
	} : {
		title: "This picture cannot be searched",
		says: t
	};
}
// src/map/camera.ts
var Va = {
	x: 0,
	y: 0,
	zoom: 1
}, Ha = .6, Ua = 5e3, Wa = .08;
function Ga({ width: e, height: t, halfX: n, halfY: r }) {
	let i = 1 - 2 * Wa;
	return Math.max(1e-6, Math.min(e * i / (2 * Math.max(n, 1e-6)), t * i / (2 * Math.max(r, 1e-6))));
}
function Ka(e, t) {
	return Ga(t) * e.zoom;
}
function qa(e, t, n, r) {
	let i = Ka(e, t);
	return [(n - e.x) * i + t.width / 2, (e.y - r) * i + t.height / 2];
}
function Ja(e, t, n, r) {
	let i = Ka(e, t);
	return [(n - t.width / 2) / i + e.x, e.y - (r - t.height / 2) / i];
}
function Ya(e, t, n = 0) {
	let [r, i] = Ja(e, t, -n, -n), [a, o] = Ja(e, t, t.width + n, t.height + n);
	return {
		left: r,
		bottom: o,
		right: a,
		top: i
	};
}
function Xa(e, t) {
	let n = Math.min(Ua, Math.max(Ha, e.zoom)), r = (e, t) => Math.min(t, Math.max(-t, e));
	return {
		x: r(e.x, t.halfX),
		y: r(e.y, t.halfY),
		zoom: n
	};
}
function Za(e, t, n, r, i) {
	let a = Math.min(Ua, Math.max(Ha, e.zoom * i)), [o, s] = Ja(e, t, n, r), c = e.zoom / a;
	return Xa({
		x: o + (e.x - o) * c,
		y: s + (e.y - s) * c,
		zoom: a
	}, t);
}
function Qa(e, t, n, r) {
	let i = Ka(e, t);
	return Xa({
		x: e.x - n / i,
		y: e.y + r / i,
		zoom: e.zoom
	}, t);
}
function $a({ left: e, bottom: t, right: n, top: r }, i, a = 60) {
	let o = (n - e) / 2, s = (r - t) / 2, c = Ga({
		...i,
		halfX: o,
		halfY: s
	}) / Ga(i);
	return Xa({
		x: (e + n) / 2,
		y: (t + r) / 2,
		zoom: Math.min(a, c)
	}, i);
}
function eo(e, t, n) {
	if (n >= 1) return t;
	let r = n * n * (3 - 2 * n), i = e.zoom * (t.zoom / e.zoom) ** r, a = 1 / t.zoom - 1 / e.zoom, o = Math.abs(a) < 1e-9 ? r : (1 / i - 1 / e.zoom) / a;
	return {
		x: e.x + (t.x - e.x) * o,
		y: e.y + (t.y - e.y) * o,
		zoom: i
	};
}
function to({ x: e, y: t, zoom: n }) {
	if (Math.abs(e) < .001 && Math.abs(t) < .001 && Math.abs(n - 1) < .001) return "";
	let r = Math.max(3, Math.ceil(Math.log10(n)) + 3);
	return [
		Number(e.toFixed(r)),
		Number(t.toFixed(r)),
		Number(n.toPrecision(3))
	].join(",");
}
function no(e) {
	let t = e.split(","), [n, r, i] = t.map(Number);
	return t.length === 3 && [
		n,
		r,
		i
	].every(Number.isFinite) && i > 0 ? {
		x: n,
		y: r,
		zoom: i
	} : null;
}
// node_modules/kdbush/index.js
var ro = [
	Int8Array,
	Uint8Array,
	Uint8ClampedArray,
	Int16Array,
	Uint16Array,
	Int32Array,
	Uint32Array,
	Float32Array,
	Float64Array
], io = 1, ao = 8, X = /* @__PURE__ */ new Uint32Array(96), oo = class e {
	static from(t) {
		if (!t || t.byteLength === void 0 || t.buffer) throw Error("Data must be an instance of ArrayBuffer or SharedArrayBuffer.");
		let [n, r] = new Uint8Array(t, 0, 2);
		if (n !== 219) throw Error("Data does not appear to be in a KDBush format.");
		let i = r >> 4;
		if (i !== io) throw Error(`Got v${i} data when expected v${io}.`);
		let a = ro[r & 15];
		if (!a) throw Error("Unrecognized array type.");
		let [o] = new Uint16Array(t, 2, 1), [s] = new Uint32Array(t, 4, 1);
		return new e(s, o, a, void 0, t);
	}
	constructor(e, t = 64, n = Float64Array, r = ArrayBuffer, i) {
		if (isNaN(e) || e < 0) throw Error(`Unexpected numItems value: ${e}.`);
		this.numItems = +e, this.nodeSize = Math.min(Math.max(+t, 2), 65535), this.ArrayType = n, this.IndexArrayType = e < 65536 ? Uint16Array : Uint32Array;
		let a = ro.indexOf(this.ArrayType), o = e * 2 * this.ArrayType.BYTES_PER_ELEMENT, s = e * this.IndexArrayType.BYTES_PER_ELEMENT, c = (8 - s % 8) % 8;
		if (a < 0) throw Error(`Unexpected typed array class: ${n}.`);
		if (i) this.data = i, this.ids = new this.IndexArrayType(i, ao, e), this.coords = new n(i, ao + s + c, e * 2), this._pos = e * 2, this._finished = !0;
		else {
			let i = this.data = new r(ao + o + s + c);
			this.ids = new this.IndexArrayType(i, ao, e), this.coords = new n(i, ao + s + c, e * 2), this._pos = 0, this._finished = !1, new Uint8Array(i, 0, 2).set([219, 16 + a]), new Uint16Array(i, 2, 1)[0] = t, new Uint32Array(i, 4, 1)[0] = e;
		}
	}
	add(e, t) {
		let n = this._pos >> 1;
		return this.ids[n] = n, this.coords[this._pos++] = e, this.coords[this._pos++] = t, n;
	}
	finish() {
		let e = this._pos >> 1;
		if (e !== this.numItems) throw Error(`Added ${e} items when expected ${this.numItems}.`);
		return so(this.ids, this.coords, this.nodeSize, 0, this.numItems - 1, 0), this._finished = !0, this;
	}
	range(e, t, n, r) {
		if (!this._finished) throw Error("Data not yet indexed - call index.finish().");
		let { ids: i, coords: a, nodeSize: o } = this;
		X[0] = 0, X[1] = i.length - 1, X[2] = 0;
		let s = 3, c = [];
		for (; s > 0;) {
			let l = X[--s], u = X[--s], d = X[--s];
			if (u - d <= o) {
				for (let o = d; o <= u; o++) {
					let s = a[2 * o], l = a[2 * o + 1];
					s >= e && s <= n && l >= t && l <= r && c.push(i[o]);
				}
				continue;
			}
			let f = d + u >> 1, p = a[2 * f], m = a[2 * f + 1];
			p >= e && p <= n && m >= t && m <= r && c.push(i[f]), (l === 0 ? e <= p : t <= m) && (X[s++] = d, X[s++] = f - 1, X[s++] = 1 - l), (l === 0 ? n >= p : r >= m) && (X[s++] = f + 1, X[s++] = u, X[s++] = 1 - l);
		}
		return c;
	}
	within(e, t, n) {
		let r = [];
		return this.withinInto(e, t, n, r), r;
	}
	withinInto(e, t, n, r) {
		if (!this._finished) throw Error("Data not yet indexed - call index.finish().");
		let { ids: i, coords: a, nodeSize: o } = this;
		X[0] = 0, X[1] = i.length - 1, X[2] = 0;
		let s = 3, c = 0, l = n * n;
		for (; s > 0;) {
			let u = X[--s], d = X[--s], f = X[--s];
			if (d - f <= o) {
				for (let n = f; n <= d; n++) fo(a[2 * n], a[2 * n + 1], e, t) <= l && (r[c++] = i[n]);
				continue;
			}
			let p = f + d >> 1, m = a[2 * p], h = a[2 * p + 1];
			fo(m, h, e, t) <= l && (r[c++] = i[p]), (u === 0 ? e - n <= m : t - n <= h) && (X[s++] = f, X[s++] = p - 1, X[s++] = 1 - u), (u === 0 ? e + n >= m : t + n >= h) && (X[s++] = p + 1, X[s++] = d, X[s++] = 1 - u);
		}
		return c;
	}
};
function so(e, t, n, r, i, a) {
	if (i - r <= n) return;
	let o = r + i >> 1;
	co(e, t, o, r, i, a), so(e, t, n, r, o - 1, 1 - a), so(e, t, n, o + 1, i, 1 - a);
}
function co(e, t, n, r, i, a) {
	for (; i > r;) {
		if (i - r > 600) {
			let o = i - r + 1, s = n - r + 1, c = Math.log(o), l = .5 * Math.exp(2 * c / 3), u = .5 * Math.sqrt(c * l * (o - l) / o) * (s - o / 2 < 0 ? -1 : 1);
			co(e, t, n, Math.max(r, Math.floor(n - s * l / o + u)), Math.min(i, Math.floor(n + (o - s) * l / o + u)), a);
		}
		let o = t[2 * n + a], s = r, c = i;
		for (lo(e, t, r, n), t[2 * i + a] > o && lo(e, t, r, i); s < c;) {
			for (lo(e, t, s, c), s++, c--; t[2 * s + a] < o;) s++;
			for (; t[2 * c + a] > o;) c--;
		}
		t[2 * r + a] === o ? lo(e, t, r, c) : (c++, lo(e, t, c, i)), c <= n && (r = c + 1), n <= c && (i = c - 1);
	}
}
function lo(e, t, n, r) {
	uo(e, n, r), uo(t, 2 * n, 2 * r), uo(t, 2 * n + 1, 2 * r + 1);
}
function uo(e, t, n) {
	let r = e[t];
	e[t] = e[n], e[n] = r;
}
function fo(e, t, n, r) {
	let i = e - n, a = t - r;
	return i * i + a * a;
}
// src/map/gaps.ts
var po = .08;
function mo(e, t) {
	let n = Uint32Array.from({ length: e.length / 2 }, (e, t) => t).filter((n) => !Number.isNaN(e[2 * n + t]));
	if (n.sort((n, r) => e[2 * n + t] - e[2 * r + t]), n.length < 3) return;
	let r = (e[2 * n[n.length - 1] + t] - e[2 * n[0] + t]) * Math.max(po, 4 / n.length), i = e[2 * n[0] + t], a = 0;
	for (let o of n) {
		let n = e[2 * o + t];
		a += Math.max(0, n - i - r), i = n, e[2 * o + t] = n - a;
	}
}
// src/map/model.ts
function ho(e) {
	let t = e.index.value, n = e.session.comparable ? e.indexes.filter((e) => e !== t) : [], r = t.atlas.value;
	if (r.state !== "ready") return r;
	for (let e of n) if (e.atlas.value.state === "loading") return e.atlas.value;
	return {
		state: "ready",
		value: _o(e.indexes.filter((e) => e === t || n.includes(e) && z(e.atlas.value)))
	};
}
var go = /* @__PURE__ */ new WeakMap();
function _o(e) {
	let t = z(e[0].atlas.value), n = go.get(t);
	if (n && n.indexes.length === e.length && n.indexes.every((t, n) => t === e[n])) return n.model;
	let r = vo(e.map((e) => ({
		index: e,
		atlas: z(e.atlas.value)
	})));
	return go.set(t, {
		indexes: e,
		model: r
	}), r;
}
function vo(e) {
	let t = e.reduce((e, { index: t }) => e + t.count, 0), n = new Float32Array(2 * t), r = new Int32Array(t), i = [], a = 0;
	for (let { index: t, atlas: o } of e) {
		for (let e = 0; e < t.count; e++) n[2 * (a + e)] = o.x[e], n[2 * (a + e) + 1] = o.y[e];
		r.set(o.cluster, a), i.push({
			index: t,
			start: a,
			stop: a + t.count
		}), a += t.count;
	}
	mo(n, 0), mo(n, 1);
	let { halfX: o, halfY: s } = yo(n), c = Uint32Array.from({ length: t }, (e, t) => t).filter((e) => !Number.isNaN(n[2 * e])), l = new oo(Math.max(1, c.length), 64, Float32Array);
	for (let e of c) l.add(n[2 * e], n[2 * e + 1]);
	return c.length || l.add(NaN, NaN), l.finish(), {
		parts: i,
		count: t,
		xy: n,
		cluster: r,
		halfX: o,
		halfY: s,
		names: e[0].atlas.names,
		drawing: e[0].atlas.drawing,
		by: e[0].atlas.by,
		tree: l,
		living: c
	};
}
function yo(e) {
	let { left: t, right: n, bottom: r, top: i } = bo(e);
	if (!(n >= t)) return {
		halfX: 1,
		halfY: 1
	};
	let a = Math.max(n - t, i - r) / 2 || 1;
	for (let o = 0; o < e.length; o += 2) e[o] = (e[o] - (t + n) / 2) / a, e[o + 1] = (e[o + 1] - (r + i) / 2) / a;
	return {
		halfX: (n - t) / 2 / a || .05,
		halfY: (i - r) / 2 / a || .05
	};
}
function bo(e, t) {
	let n = {
		left: Infinity,
		bottom: Infinity,
		right: -Infinity,
		top: -Infinity
	}, r = (t) => {
		let r = e[2 * t], i = e[2 * t + 1];
		r < n.left && (n.left = r), r > n.right && (n.right = r), i < n.bottom && (n.bottom = i), i > n.top && (n.top = i);
	};
	if (t) for (let e of t) r(e);
	else for (let t = 0; 2 * t < e.length; t++) r(t);
	return n;
}
function xo(e, t) {
	return e.parts.find((e) => t < e.stop);
}
function So(e, t, n) {
	let r = e.parts.find((e) => e.index.number === t), i = r && n >= 0 && n < r.index.count ? r.start + n : -1;
	return i >= 0 && !Number.isNaN(e.xy[2 * i]) ? i : -1;
}
function Co(e, { left: t, bottom: n, right: r, top: i }, a) {
	return e.tree.range(t, n, r, i).map((t) => e.living[t]).filter((e) => a[e]);
}
function wo(e, t, n, r, i) {
	let a = -1, o = r * r;
	for (let s of e.tree.within(t, n, r)) {
		let r = e.living[s], c = (e.xy[2 * r] - t) ** 2 + (e.xy[2 * r + 1] - n) ** 2;
		i[r] && (c < o || a < 0) && (a = r, o = c);
	}
	return a;
}
function To(e, t, n, r, i) {
	let a = e.xy[2 * t], o = e.xy[2 * t + 1];
	for (let s = .02; s < 8; s *= 3) {
		let c = -1, l = Infinity;
		for (let u of e.tree.within(a, o, s)) {
			let s = e.living[u], d = (e.xy[2 * s] - a) * n + (e.xy[2 * s + 1] - o) * r, f = Math.abs((e.xy[2 * s] - a) * r - (e.xy[2 * s + 1] - o) * n), p = d + 2 * f;
			s === t || !i[s] || d <= 0 || f > d || p >= l || (c = s, l = p);
		}
		if (c >= 0 && l <= s || c >= 0 && s * 3 >= 8) return c;
	}
	return -1;
}
// src/map/keys.ts
var Eo = 60, Do = {
	ArrowLeft: [-1, 0],
	ArrowRight: [1, 0],
	ArrowUp: [0, 1],
	ArrowDown: [0, -1]
};
function Oo(e, t, n, r) {
	let i = Do[e.key];
	if (i) return e.ctrlKey || e.metaKey ? Ao(t, n, i) : ko(t, n, i);
	if (e.ctrlKey || e.metaKey || e.altKey) return !1;
	switch (e.key) {
		case "+":
		case "=": return n.zoom(1.6), !0;
		case "-":
		case "_": return n.zoom(1 / 1.6), !0;
		case "0": return n.fitAll(), !0;
		case "Enter":
		case " ": return jo(e.key, t, r);
		case "Escape": return Mo(t);
		default: return !1;
	}
}
function ko(e, t, [n, r]) {
	return t.move(Qa(e.camera.peek(), e.view.peek(), -n * Eo, r * Eo)), !0;
}
function Ao(e, t, [n, r]) {
	let i = e.model;
	if (!i) return !0;
	let a = e.hover.peek() >= 0 ? e.hover.peek() : e.pinned.peek(), { x: o, y: s } = e.camera.peek(), c = a < 0 ? wo(i, o, s, 3, e.visible.peek()) : To(i, a, n, r, e.visible.peek());
	if (c < 0) return e.said.value = "No component farther in this direction.", !0;
	e.pointAt(c), t.reveal(c);
	let { index: l, start: u } = xo(i, c);
	return e.said.value = `${l.title(c - u)}, ${l.id(c - u)}`, !0;
}
function jo(e, t, n) {
	let r = t.hover.peek() >= 0 ? t.hover.peek() : t.pinned.peek();
	return r < 0 ? !1 : (e === "Enter" ? n(r) : t.pinned.value = r, !0);
}
function Mo(e) {
	return e.pinned.peek() < 0 && e.hover.peek() < 0 ? !1 : (e.pinned.value = -1, e.pointAt(-1), !0);
}
// src/map/colouring.ts
var No = [
	"cluster",
	"layer",
	"label",
	"tag",
	"clarity",
	"polysemanticity",
	"redundancy",
	"relevance",
	"query"
], Po = 20, Fo = {
	cluster: "cluster",
	layer: "layer",
	label: "label",
	tag: "your tag",
	clarity: "clarity",
	polysemanticity: "polysemanticity",
	redundancy: "redundancy",
	relevance: "class relevance",
	query: "search"
}, Io = {
	cluster: "Groups found by what the components mean or respond to, not by where they lie on the map",
	layer: "The layer of the model that a component belongs to",
	label: "The most frequent labels: the phrases that fit best",
	tag: "How you judged a component: valid, spurious or unsure",
	clarity: "How alike a component's strongest examples are: high is one clear concept",
	polysemanticity: "How far a component's examples fall into two different meanings: high is two",
	redundancy: "How near the most similar other component of the layer is: high is a double",
	relevance: "Mean share of what speaks for the class that comes from the component",
	query: "Effect of what is searched for, or cosine similarity to it"
};
function Lo(e) {
	let t = e.param("color");
	return No.includes(t) ? t : e.query.value ? "query" : "cluster";
}
function Ro(e, t, n) {
	switch (n) {
		case "cluster": return Vo(t, Ho(t));
		case "layer": return Uo(t);
		case "label": return Go(t);
		case "tag": return qo(t);
		case "relevance": return Zo(e, t);
		case "query": return Qo(e, t);
		default: return Yo(t, n);
	}
}
function zo(e, t) {
	return e.cluster[t] < 0;
}
function Bo(e, t) {
	let n = new Int32Array(t.length);
	for (let t of e) t >= 0 && n[t]++;
	return {
		kind: "groups",
		of: e,
		groups: t.map((e, t) => ({
			...e,
			count: n[t]
		}))
	};
}
function Vo(e, t) {
	let n = t.map((e, t) => ({ name: e || `Cluster ${t + 1}` }));
	return Bo(e.cluster, n);
}
function Ho(e) {
	let t = Math.max(e.names.length, ...e.cluster.reduce((e, t) => t >= e[0] ? [t + 1] : e, [0])), n = Array.from({ length: t }, (t, n) => e.names[n] ?? "");
	if (n.every(Boolean)) return n;
	let r = n.map(() => /* @__PURE__ */ new Map());
	for (let { index: t, start: n } of e.parts) {
		let i = z(t.labels.value);
		if (i) for (let a = 0; a < t.count; a++) {
			let t = e.cluster[n + a], o = i.label[a];
			t >= 0 && o >= 0 && r[t].set(i.phrases[o], (r[t].get(i.phrases[o]) ?? 0) + 1);
		}
	}
	return n.map((e, t) => e || ([...r[t]].sort((e, t) => t[1] - e[1])[0]?.[0] ?? ""));
}
function Uo(e) {
	let t = [...new Set(e.parts.flatMap(({ index: e }) => e.info.layers.map((e) => e.layer)))], n = new Map(t.map((e, t) => [e, t])), r = new Int32Array(e.count).fill(-1);
	for (let { index: t, start: i } of e.parts) {
		let a = t.info.layers.map(({ layer: e }) => n.get(e));
		for (let n = 0; n < t.count; n++) zo(e, i + n) || (r[i + n] = a[t.base.layer[n]]);
	}
	return Bo(r, t.map((e) => ({ name: e })));
}
function Wo(e, t) {
	let n = null;
	for (let { index: r, start: i } of e.parts) {
		let a = r.labels.value;
		a.state === "absent" && (n = a.why), a.state === "loading" && (n = "The labels are being computed.");
		let o = z(a);
		for (let n = 0; n < r.count; n++) {
			let a = o ? o.label[n] : -1;
			zo(e, i + n) || t(i + n, r.annotation(n)?.label || (a >= 0 ? o.phrases[a] : null));
		}
	}
	return n;
}
function Go(e) {
	let t = Array(e.count), n = /* @__PURE__ */ new Map(), r = Wo(e, (e, r) => {
		t[e] = r, r && n.set(r, (n.get(r) ?? 0) + 1);
	});
	if (!n.size) return {
		kind: "none",
		why: r ?? "No component has a label."
	};
	let i = [...n].sort((e, t) => t[1] - e[1] || (e[0] < t[0] ? -1 : 1)).slice(0, Po).map(([e]) => e), a = new Map(i.map((e, t) => [e, t])), o = new Int32Array(e.count).fill(-1);
	for (let n = 0; n < e.count; n++) {
		let e = t[n];
		e !== void 0 && (o[n] = e === null ? i.length + 1 : a.get(e) ?? i.length);
	}
	return Bo(o, [
		...i.map((e) => ({ name: e })),
		{
			name: "other labels",
			plain: !0
		},
		{
			name: "no label",
			plain: !0
		}
	]);
}
var Ko = [
	"valid",
	"spurious",
	"unsure"
];
function qo(e) {
	let t = new Int32Array(e.count).fill(-1);
	for (let { index: n, start: r } of e.parts) for (let i = 0; i < n.count; i++) {
		if (zo(e, r + i)) continue;
		let a = n.tag(i);
		t[r + i] = a ? Ko.indexOf(a) : Ko.length;
	}
	return Bo(t, [...Ko.map((e) => ({ name: e })), {
		name: "not tagged",
		plain: !0
	}]);
}
function Jo(e, t, n, r = .02) {
	let i = n.filter((t, n) => !zo(e, n) && !Number.isNaN(t)).sort(), a = e.living.length;
	if (!i.length) return {
		kind: "none",
		why: `No component has a value: ${t}.`
	};
	let o = (e) => i[Math.round(e * (i.length - 1))];
	return {
		kind: "values",
		of: n,
		name: t,
		low: o(r),
		high: o(1 - r),
		least: o(0),
		most: o(1),
		none: a - i.length
	};
}
function Yo(e, t) {
	let n = new Float32Array(e.count).fill(NaN), r = "";
	for (let { index: i, start: a } of e.parts) {
		let e = i.scores.value;
		e.state === "ready" ? n.set(e.value[t], a) : r = e.state === "absent" ? e.why : "The measures are being computed.";
	}
	let i = Jo(e, Fo[t], n);
	return i.kind === "none" && r ? {
		kind: "none",
		why: r
	} : i;
}
function Xo(e, t, n) {
	let r = new Float32Array(e.count).fill(NaN), i = e.parts.find(({ index: e }) => e === t.index.value);
	return r.set(n, i.start), r;
}
function Zo(e, t) {
	let n = e.index.value, r = e.of.value, i = n.info.classes.find((e) => e.number === r);
	if (r === null || !i) return {
		kind: "none",
		why: "This index holds no relevance: none was computed when it was made."
	};
	let a = n.relevance(r).value;
	if (a.state === "loading") return {
		kind: "none",
		why: "The relevance is being read."
	};
	if (a.state === "absent") return {
		kind: "none",
		why: a.why
	};
	let o = Jo(t, `relevance for ${i.name}`, Xo(t, e, a.value.positive), .01);
	return o.kind === "values" ? {
		...o,
		low: 0
	} : o;
}
function Qo(e, t) {
	let n = e.search.value;
	if (!n) return {
		kind: "none",
		why: "Search for something: the map then shows how similar each component is."
	};
	if (n.state === "loading") return {
		kind: "none",
		why: n.job ? `${n.job.step}.` : "Searching."
	};
	if (n.state === "absent") return {
		kind: "none",
		why: n.why
	};
	let r = Jo(t, n.value.by === "encoding" ? "effect" : "similarity", Xo(t, e, n.value.value), .005), i = {
		at: n.value.baseline,
		says: "95 % of random components stay below"
	};
	return r.kind === "values" && Number.isFinite(i.at) ? {
		...r,
		mark: i
	} : r;
}
// src/map/palette.ts
var $o = (e) => e <= .04045 ? e / 12.92 : ((e + .055) / 1.055) ** 2.4, es = (e) => e <= .0031308 ? 12.92 * e : 1.055 * e ** (1 / 2.4) - .055;
function ts([e, t, n]) {
	let [r, i, a] = [
		$o(e / 255),
		$o(t / 255),
		$o(n / 255)
	], o = Math.cbrt(.4122214708 * r + .5363325363 * i + .0514459929 * a), s = Math.cbrt(.2119034982 * r + .6806995451 * i + .1073969566 * a), c = Math.cbrt(.0883024619 * r + .2817188376 * i + .6299787005 * a);
	return [
		.2104542553 * o + .793617785 * s - .0040720468 * c,
		1.9779984951 * o - 2.428592205 * s + .4505937099 * c,
		.0259040371 * o + .7827717662 * s - .808675766 * c
	];
}
function ns(e, t, n) {
	let r = (e + .3963377774 * t + .2158037573 * n) ** 3, i = (e - .1055613458 * t - .0638541728 * n) ** 3, a = (e - .0894841775 * t - 1.291485548 * n) ** 3;
	return [
		4.0767416621 * r - 3.3077115913 * i + .2309699292 * a,
		-1.2684380046 * r + 2.6097574011 * i - .3413193965 * a,
		-.0041960863 * r - .7034186147 * i + 1.707614701 * a
	].map((e) => Math.round(255 * es(Math.min(1, Math.max(0, e)))));
}
function rs(e) {
	let t = e.length === 4 ? e.replace(/[0-9a-f]/gi, "$&$&") : e;
	return [
		1,
		3,
		5
	].map((e) => parseInt(t.slice(e, e + 2), 16));
}
function is([e, t, n], r = 1) {
	return r === 1 ? `rgb(${e} ${t} ${n})` : `rgb(${e} ${t} ${n} / ${r})`;
}
function as(e) {
	return ts(e)[0] < .5;
}
var os = {
	light: [
		"#0072b2",
		"#e69f00",
		"#009e73",
		"#cc79a7",
		"#56b4e9",
		"#d55e00",
		"#c7b000"
	].map(rs),
	dark: [
		"#3f9fe0",
		"#e69f00",
		"#10b487",
		"#d98cb8",
		"#8acbf5",
		"#e8702a",
		"#f0e442"
	].map(rs)
}, ss = {
	light: [
		0,
		-.2,
		.11
	],
	dark: [
		0,
		-.2,
		.12
	]
};
function cs(e, t) {
	let n = t ? "dark" : "light", r = os[n], [i, a, o] = ts(r[e % r.length]), s = ss[n][Math.floor(e / r.length) % 3];
	return s ? ns(Math.min(.95, Math.max(.25, i + s)), a * .92, o * .92) : r[e % r.length];
}
var ls = 256;
function us(e) {
	return (e ? ms : ps)();
}
function ds(e) {
	let t;
	return () => t ??= e();
}
function fs(e, t, n) {
	return Array.from({ length: ls }, (r, i) => {
		let a = i / 255, o = (e[1] + (t[1] - e[1]) * a) * Math.PI / 180;
		return ns(e[0] + (t[0] - e[0]) * a, n * Math.cos(o), n * Math.sin(o));
	});
}
var ps = ds(() => fs([.88, 100], [.3, 280], .105)), ms = ds(() => fs([.38, 285], [.94, 102], .115));
function hs(e, t, n, r) {
	if (Number.isNaN(e)) return null;
	let i = n > t ? (e - t) / (n - t) : .5;
	return r[Math.min(255, Math.max(0, Math.round(i * 255)))];
}
// src/map/Legend.tsx
function gs({ state: e }) {
	let t = e.by.value, n = e.colouring.value;
	return /* @__PURE__ */ K("div", {
		class: "map-legend",
		role: "group",
		"aria-label": "Legend",
		children: [
			/* @__PURE__ */ K("div", {
				class: "map-legend-head",
				children: [/* @__PURE__ */ K("p", { children: [
					/* @__PURE__ */ K("strong", { children: Fo[t] }),
					" ",
					/* @__PURE__ */ K("span", {
						class: "soft",
						children: [Io[t], "."]
					})
				] }), n?.kind === "groups" && /* @__PURE__ */ K("button", {
					type: "button",
					class: "map-all",
					disabled: !e.hidden.value.size,
					onClick: () => e.store.place.set({ hide: null }, !0),
					children: "Show all"
				})]
			}),
			t === "relevance" && /* @__PURE__ */ K(_s, {}),
			n?.kind === "groups" && /* @__PURE__ */ K(vs, {
				state: e,
				found: n
			}),
			n?.kind === "values" && /* @__PURE__ */ K(bs, {
				state: e,
				found: n
			}),
			n?.kind === "none" && /* @__PURE__ */ K("p", {
				class: "soft",
				children: n.why
			}),
			/* @__PURE__ */ K(xs, { state: e })
		]
	});
}
function _s() {
	let e = B(), { classes: t } = e.index.value.info;
	return t.length < 2 ? null : /* @__PURE__ */ K("label", { children: [
		"Class",
		" ",
		/* @__PURE__ */ K("select", {
			value: String(e.of.value),
			onChange: (t) => e.place.set({ class: t.currentTarget.value }, !0),
			children: t.map((e) => /* @__PURE__ */ K("option", {
				value: String(e.number),
				children: e.name
			}, e.number))
		})
	] });
}
function vs({ state: e, found: t }) {
	let { dark: n, plain: r } = e.theme.value, i = e.hidden.value;
	return /* @__PURE__ */ K("ul", {
		class: "map-entries",
		onPointerLeave: () => e.lit.value = null,
		children: t.groups.map((t, a) => t.count ? /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("button", {
			type: "button",
			class: "map-entry",
			"aria-pressed": !i.has(a),
			title: "Click: show or hide. Double click, or Shift and Enter: only this one.",
			onPointerEnter: () => e.lit.value = a,
			onClick: (t) => e.toggle(a, t.shiftKey),
			onDblClick: () => e.toggle(a, !0),
			children: [
				/* @__PURE__ */ K(ys, { colour: t.plain ? r : cs(a, n) }),
				/* @__PURE__ */ K("bdi", {
					class: "map-entry-name",
					children: t.name
				}),
				/* @__PURE__ */ K("span", {
					class: "map-count",
					children: H(t.count)
				})
			]
		}) }, a) : null)
	});
}
function ys({ colour: e }) {
	return /* @__PURE__ */ K("span", {
		class: "map-swatch",
		style: { background: is(e) },
		"aria-hidden": "true"
	});
}
function bs({ state: e, found: t }) {
	let n = us(e.theme.value.dark), r = Array.from({ length: 17 }, (e, t) => is(n[Math.round(t / 16 * 255)])), i = (t.low + t.high) / 2, a = t.mark && (t.mark.at - t.low) / (t.high - t.low || 1), o = (e, t, n) => t ? `${n} ${W(e)}` : W(e);
	return /* @__PURE__ */ K("div", {
		class: "map-ramp",
		role: "img",
		"aria-label": `${t.name} from ${W(t.low)} to ${W(t.high)}`,
		children: [
			/* @__PURE__ */ K("div", {
				class: "map-ramp-bar",
				style: { background: `linear-gradient(to right, ${r.join(", ")})` },
				children: a !== void 0 && a >= 0 && a <= 1 && /* @__PURE__ */ K("span", {
					class: "map-ramp-mark",
					style: { left: `${100 * a}%` }
				})
			}),
			/* @__PURE__ */ K("p", {
				class: "map-ramp-numbers",
				children: [
					/* @__PURE__ */ K("span", { children: o(t.low, t.least < t.low, "≤") }),
					/* @__PURE__ */ K("span", { children: W(i) }),
					/* @__PURE__ */ K("span", { children: o(t.high, t.most > t.high, "≥") })
				]
			}),
			t.mark && /* @__PURE__ */ K("p", {
				class: "soft",
				children: [
					"Line at ",
					W(t.mark.at),
					": ",
					t.mark.says,
					"."
				]
			}),
			t.none > 0 && /* @__PURE__ */ K("p", {
				class: "map-none soft",
				children: [
					/* @__PURE__ */ K(ys, { colour: e.theme.value.plain }),
					" no value ",
					/* @__PURE__ */ K("span", {
						class: "map-count",
						children: H(t.none)
					})
				]
			})
		]
	});
}
function xs({ state: e }) {
	let t = B(), n = e.model?.parts ?? [];
	return n.length < 2 ? null : /* @__PURE__ */ K("ul", {
		class: "map-entries map-models",
		children: n.map(({ index: n }) => {
			let r = n === t.index.value;
			return /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("button", {
				type: "button",
				class: "map-entry",
				"aria-pressed": r || e.others.value,
				disabled: r,
				title: r ? "The index that is looked at" : "Click: show or hide the other index",
				onClick: () => t.place.set({ other: e.others.value ? "0" : null }, !0),
				children: [
					/* @__PURE__ */ K("span", {
						class: r ? "map-disc" : "map-diamond",
						"aria-hidden": "true"
					}),
					/* @__PURE__ */ K("bdi", {
						class: "map-entry-name",
						children: n.info.name
					}),
					/* @__PURE__ */ K("span", {
						class: "map-count",
						children: H(n.count)
					})
				]
			}) }, n.number);
		})
	});
}
// src/map/PointCard.tsx
var Ss = 232, Cs = 4;
function ws({ state: e }) {
	let t = B(), n = e.model, r = t.pointed.value, i = n && r && n.parts.find(({ index: e }) => e.number === r.index), a = [i ? i.start + r.row : -1, e.pinned.value];
	return /* @__PURE__ */ K(T, { children: n && a.map((t, r) => {
		let i = Ts(e, n, t);
		return i && /* @__PURE__ */ K("span", {
			class: r ? "map-ring map-ring-pinned" : "map-ring",
			style: { transform: `translate(${i[0]}px, ${i[1]}px)` },
			"aria-hidden": "true"
		}, r);
	}) });
}
function Ts(e, t, n) {
	if (n < 0 || Number.isNaN(t.xy[2 * n])) return null;
	let r = e.view.value, [i, a] = qa(e.camera.value, r, t.xy[2 * n], t.xy[2 * n + 1]);
	return i >= 0 && a >= 0 && i <= r.width && a <= r.height ? [i, a] : null;
}
function Es({ state: e }) {
	let t = e.model, n = e.pinned.value, r = n >= 0 ? n : e.hover.value, i = t && Ts(e, t, r);
	if (!t || !i) return null;
	let { index: a, start: o } = xo(t, r), s = e.view.value, c = i[0] + 18 + Ss < s.width ? i[0] + 18 : Math.max(4, i[0] - 18 - Ss), l = n >= 0 ? 260 : 112, u = (e) => `${Math.max(4, Math.min(e + 10, s.height - l))}px`, d = i[1] < s.height / 2 ? { top: u(i[1]) } : { bottom: u(s.height - i[1]) }, f = {
		left: `${c}px`,
		width: `${Math.min(Ss, s.width - 8)}px`,
		...d
	};
	return /* @__PURE__ */ K("div", {
		class: n >= 0 ? "map-card map-card-pinned" : "map-card",
		style: f,
		role: n >= 0 ? "dialog" : void 0,
		"aria-label": n >= 0 ? "Pinned component" : void 0,
		children: [/* @__PURE__ */ K(Ds, {
			index: a,
			row: r - o
		}, r), n >= 0 && /* @__PURE__ */ K(ks, {
			state: e,
			index: a,
			row: r - o,
			cluster: t.cluster[r]
		}, `p${r}`)]
	});
}
function Ds({ index: e, row: t }) {
	let n = e.base.crop[t], r = z(e.labels.value), i = e.label(t), a = r?.p_value[t];
	return /* @__PURE__ */ K("div", {
		class: "map-glance",
		children: [/* @__PURE__ */ K(Qn, {
			path: n >= 0 ? e.at(`crop/${n}.webp`) : null,
			alt: "",
			class: "map-glance-crop"
		}), /* @__PURE__ */ K("div", {
			class: "map-glance-text",
			children: [
				/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: e.title(t) }) }),
				/* @__PURE__ */ K("span", {
					class: "soft",
					children: /* @__PURE__ */ K("bdi", { children: e.id(t) })
				}),
				i && a !== void 0 && !Number.isNaN(a) && /* @__PURE__ */ K("span", {
					class: "soft",
					children: ["p = ", W(a)]
				}),
				r && !i && /* @__PURE__ */ K("span", {
					class: "soft",
					children: "no label fits better than chance"
				}),
				/* @__PURE__ */ K(Os, {
					index: e,
					row: t
				})
			]
		})]
	});
}
function Os({ index: e, row: t }) {
	let n = B(), r = n.search.value ? z(n.search.value) : void 0;
	return !r || e !== n.index.value ? null : /* @__PURE__ */ K("span", {
		class: "soft",
		children: [
			r.by === "encoding" ? "effect" : "similarity",
			" ",
			U(r.value[t])
		]
	});
}
function ks({ state: e, index: t, row: n, cluster: r }) {
	let i = B(), [a, o] = O([]);
	k(() => {
		let e = !0;
		return t.component(n).then((t) => e && o(t.examples.slice(1, 5).map((e) => e.crop)), () => {}), () => {
			e = !1;
		};
	}, [t, n]);
	let s = e.clusters.value[r];
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("div", {
		class: "map-more",
		children: Array.from({ length: Cs }, (e, n) => /* @__PURE__ */ K(Qn, {
			path: a[n] === void 0 ? null : t.at(`crop/${a[n]}.webp`),
			alt: "",
			class: "map-more-crop"
		}, n))
	}), /* @__PURE__ */ K("div", {
		class: "map-card-does",
		children: [
			/* @__PURE__ */ K("a", {
				href: Ln(i, t, n),
				children: "Open component"
			}),
			r >= 0 && t === i.index.value && /* @__PURE__ */ K("button", {
				type: "button",
				onClick: () => i.place.set({ cluster: r }),
				children: ["Select its cluster", s ? /* @__PURE__ */ K(T, { children: [": ", /* @__PURE__ */ K("bdi", { children: s })] }) : null]
			}),
			/* @__PURE__ */ K("button", {
				type: "button",
				class: "map-unpin",
				"aria-label": "Unpin (Esc)",
				title: "Unpin (Esc)",
				onClick: () => e.pinned.value = -1,
				children: "×"
			})
		]
	})] });
}
// src/map/canvas2d.ts
var As = 3;
function js(e) {
	let t = e.getContext("2d", { alpha: !1 }), n = /* @__PURE__ */ new Float32Array(), r = {
		colours: /* @__PURE__ */ new Uint8Array(),
		marks: /* @__PURE__ */ new Uint8Array(),
		order: /* @__PURE__ */ new Uint32Array()
	}, i = [
		1,
		1,
		1
	];
	return {
		kind: "canvas",
		canvas: e,
		place: (e) => void (n = e),
		look: (e) => void (r = e),
		resize(t, n, r) {
			i = [
				t,
				n,
				r
			], e.width = Math.max(1, Math.round(t * r)), e.height = Math.max(1, Math.round(n * r));
		},
		draw(e) {
			t.setTransform(i[2], 0, 0, i[2], 0, 0), t.fillStyle = is(e.ground), t.fillRect(0, 0, i[0], i[1]), r.marks.length * 2 === n.length && Ms(t, n, r, e, i[0], i[1]);
		},
		onRestored: () => {},
		destroy: () => {}
	};
}
function Ms(e, t, { colours: n, marks: r, order: i }, a, o, s) {
	let c = -1;
	for (let l of i) {
		let i = (t[2 * l] - a.x) * a.scale + o / 2, u = (a.y - t[2 * l + 1]) * a.scale + s / 2;
		if (i < -20 || u < -20 || i > o + 20 || u > s + 20) continue;
		let [d, f, p, m] = [
			n[4 * l],
			n[4 * l + 1],
			n[4 * l + 2],
			n[4 * l + 3]
		], h = r[l], g = (d << 16 | f << 8 | p) * 512 + m * 2 + (h & 1);
		g !== c && (c = g, e.fillStyle = is([
			d,
			f,
			p
		], m / 255 * (h & 1 ? 1 : a.opacity)), e.strokeStyle = e.fillStyle), Ns(e, i, u, a.size * (h & 1 ? 1.9 : 1), !!(h & 2));
	}
}
function Ns(e, t, n, r, i) {
	let a = r / 2;
	i ? (e.beginPath(), e.moveTo(t, n - 1.3 * a), e.lineTo(t + 1.3 * a, n), e.lineTo(t, n + 1.3 * a), e.lineTo(t - 1.3 * a, n), e.closePath(), e.stroke()) : r <= As ? e.fillRect(t - a, n - a, r, r) : (e.beginPath(), e.arc(t, n, a, 0, 7), e.fill());
}
// src/map/crops.ts
var Ps = 600, Fs = 6, Is = class {
	transport;
	arrived;
	kept = /* @__PURE__ */ new Map();
	wanted = [];
	loading = 0;
	stopped = !1;
	constructor(e, t) {
		this.transport = e, this.arrived = t;
	}
	want(e) {
		this.wanted = e.filter((e) => !this.kept.has(e)), this.next();
	}
	get(e) {
		let t = this.kept.get(e);
		return t ? (this.kept.delete(e), this.kept.set(e, t), t) : null;
	}
	stop() {
		this.stopped = !0, this.wanted = [], this.kept.clear();
	}
	next() {
		for (; this.loading < Fs && this.wanted.length;) this.fetch(this.wanted.shift());
	}
	async fetch(e) {
		this.loading++, this.kept.set(e, null), this.kept.size > Ps && this.kept.delete(this.kept.keys().next().value);
		try {
			let t = new Image();
			t.src = await this.transport.picture(e), await t.decode(), this.kept.set(e, t), this.stopped || this.arrived();
		} catch {}
		this.loading--, this.next();
	}
};
// src/map/lasso.ts
function Ls(e, t, n) {
	let r = !1, i = e.length;
	for (let a = 0, o = i - 2; a < i; o = a, a += 2) {
		let i = e[a + 1], s = e[o + 1];
		i > n != s > n && t < (e[o] - e[a]) * (n - i) / (s - i) + e[a] && (r = !r);
	}
	return r;
}
function Rs(e) {
	let t = [
		Infinity,
		Infinity,
		-Infinity,
		-Infinity
	];
	for (let n = 0; n < e.length; n += 2) t[0] = Math.min(t[0], e[n]), t[1] = Math.min(t[1], e[n + 1]), t[2] = Math.max(t[2], e[n]), t[3] = Math.max(t[3], e[n + 1]);
	return t;
}
function zs(e, t, n, r) {
	return [
		e,
		t,
		n,
		t,
		n,
		r,
		e,
		r
	];
}
function Bs(e, t, n, r) {
	if (n === "new") return [...t];
	if (n === "add") return [.../* @__PURE__ */ new Set([...Array.from(e ?? []), ...t])];
	let i = new Set(t);
	return [...e ? Array.from(e) : r()].filter((e) => !i.has(e));
}
// src/map/gestures.ts
var Vs = 4, Hs = {
	pixels: 1,
	lines: 18,
	pages: 300
}, Us = .0018, Ws = .012;
function Gs(e, t) {
	let n = /* @__PURE__ */ new Map(), r = null, i = [0, 0], a = !1, o = (t) => {
		let n = e.getBoundingClientRect();
		return [t.clientX - n.left, t.clientY - n.top];
	}, s = (s) => {
		s.button === 0 && (n.set(s.pointerId, o(s)), Ks(e, s.pointerId), n.size === 2 ? (t.line(null), a = !0, r = {
			what: "pinch",
			...Js(n)
		}) : (i = o(s), a = !1, r = qs(s, t, i)));
	}, c = (e) => {
		let s = o(e), c = n.get(e.pointerId);
		!c || !r ? e.pointerType !== "touch" && t.hover(...s) : (n.set(e.pointerId, s), !a && Math.hypot(s[0] - i[0], s[1] - i[1]) < Vs || (!a && r.what !== "pinch" && t.away(), a = !0, r = Ys(r, t, n, i, c, s)));
	}, l = (e) => {
		if (!n.delete(e.pointerId)) return;
		let i = r;
		r = n.size === 1 && i?.what === "pinch" ? { what: "pan" } : null, !i || i.what === "pinch" || i.what === "pan" ? i?.what === "pan" && !a && t.click(...o(e)) : (t.line(null), a && i.line.length >= 6 ? t.caught(i.line, i.how) : a || t.click(...o(e)));
	}, u = (e) => {
		n.delete(e.pointerId), r = null, t.line(null);
	}, d = (e) => {
		e.preventDefault();
		let n = [
			Hs.pixels,
			Hs.lines,
			Hs.pages
		][e.deltaMode] ?? 1, r = e.ctrlKey ? Ws : Us;
		t.move(Za(t.camera(), t.view(), ...o(e), Math.exp(-Math.max(-250, Math.min(250, e.deltaY * n)) * r)));
	}, f = {
		pointerdown: s,
		pointermove: c,
		pointerup: l,
		pointercancel: u,
		pointerleave: () => n.size || t.away(),
		dblclick: (e) => t.fly(Za(t.camera(), t.view(), ...o(e), e.shiftKey ? .4 : 2.5))
	};
	for (let [t, n] of Object.entries(f)) e.addEventListener(t, n);
	return e.addEventListener("wheel", d, { passive: !1 }), () => {
		for (let [t, n] of Object.entries(f)) e.removeEventListener(t, n);
		e.removeEventListener("wheel", d);
	};
}
function Ks(e, t) {
	try {
		e.setPointerCapture(t);
	} catch {}
}
function qs(e, t, n) {
	let r = e.altKey ? "less" : e.shiftKey && (e.ctrlKey || e.metaKey) ? "add" : t.combine(), i = t.mode();
	return i !== "pan" || e.shiftKey || e.altKey ? {
		what: i === "box" ? "box" : "lasso",
		how: r,
		line: [...n]
	} : { what: "pan" };
}
function Js(e) {
	let [t, n] = [...e.values()];
	return {
		apart: Math.max(10, Math.hypot(t[0] - n[0], t[1] - n[1])),
		x: (t[0] + n[0]) / 2,
		y: (t[1] + n[1]) / 2
	};
}
function Ys(e, t, n, r, i, a) {
	let o = t.view();
	if (e.what === "pan" && t.move(Qa(t.camera(), o, a[0] - i[0], a[1] - i[1])), e.what === "lasso" && e.line.push(...a), e.what === "box" && (e.line = zs(...r, ...a)), (e.what === "lasso" || e.what === "box") && t.line([...e.line]), e.what === "pinch" && n.size === 2) {
		let r = Js(n), i = Qa(t.camera(), o, r.x - e.x, r.y - e.y);
		return t.move(Za(i, o, r.x, r.y, r.apart / e.apart)), {
			what: "pinch",
			...r
		};
	}
	return e;
}
// src/map/hand.ts
function Xs(e, t) {
	return {
		mode: () => t.mode.peek(),
		combine: () => t.combine.peek(),
		camera: () => t.camera.peek(),
		view: () => t.view.peek(),
		move: (t) => e.move(t),
		fly: (t) => e.fly(t),
		hover: (n, r) => {
			let i = e.under(n, r);
			i !== t.hover.peek() && t.pointAt(i);
		},
		away: () => t.pointAt(-1),
		click: (n, r) => {
			let i = e.under(n, r);
			t.pinned.value = i === t.pinned.peek() ? -1 : i;
		},
		line: (e) => {
			t.line.value = e;
		},
		caught: (n, r) => t.caught(e.inside(n), r)
	};
}
// src/map/placing.ts
var Zs = class {
	cell;
	cells = /* @__PURE__ */ new Map();
	constructor(e = 96) {
		this.cell = e;
	}
	free(e) {
		for (let t of this.over(e)) for (let n of this.cells.get(t) ?? []) if (e.left < n.right && e.right > n.left && e.top < n.bottom && e.bottom > n.top) return !1;
		return !0;
	}
	take(e) {
		for (let t of this.over(e)) {
			let n = this.cells.get(t);
			n ? n.push(e) : this.cells.set(t, [e]);
		}
	}
	*over({ left: e, top: t, right: n, bottom: r }) {
		let { cell: i } = this;
		for (let a = Math.floor(t / i); a <= Math.floor(r / i); a++) for (let t = Math.floor(e / i); t <= Math.floor(n / i); t++) yield a * 4096 + t;
	}
}, Qs = 150;
function $s(e, t, n, r) {
	let i = /* @__PURE__ */ new Map();
	return e.map((e) => {
		let a = i.get(e.text) ?? [];
		if (a.some(([t, n]) => Math.hypot(t - e.x, n - e.y) < Qs)) return null;
		for (let [o, s] of e.offsets) {
			let c = e.x + o, l = e.y + s, u = {
				left: c - e.width / 2,
				right: c + e.width / 2,
				top: l - e.height / 2,
				bottom: l + e.height / 2
			};
			if (!(u.left < 0 || u.top < 0 || u.right > n || u.bottom > r || !t.free(u))) return t.take(u), i.set(e.text, [...a, [c, l]]), [c, l];
		}
		return null;
	});
}
// src/map/overlay.ts
function ec(e, t) {
	return Math.round(Math.min(84, Math.max(26, .5 * Math.sqrt(e.width * e.height / Math.max(1, t)))));
}
function tc(e) {
	let { context: t, ratio: n, view: r, texts: i, theme: a } = e;
	t.setTransform(n, 0, 0, n, 0, 0), t.clearRect(0, 0, r.width, r.height), i.suit(a, n);
	let o = new Zs(), s = ac(e, o), c = rc(e, o);
	s(), lc(e, o, c), e.line && dc(e, e.line);
}
function nc(e, t, n) {
	return {
		left: e - n / 2,
		top: t - n / 2,
		right: e + n / 2,
		bottom: t + n / 2
	};
}
function rc(e, t) {
	let { context: n, scenery: r, camera: i, view: a, model: o, crops: s, colour: c, faded: l } = e, u = ec(a, r.crops.length), d = /* @__PURE__ */ new Map();
	for (let { point: f, path: p } of r.crops) {
		let r = o.xy[2 * f], m = o.xy[2 * f + 1], [h, g] = qa(i, a, r, m), _ = nc(h, g, u);
		if (!(_.right > 0 && _.bottom > 0 && _.left < a.width && _.top < a.height) || !(t.free(_) || e.hits.includes(f))) continue;
		let v = s.get(p);
		v && (t.take(_), d.set(`${r},${m}`, u / 2), n.globalAlpha = l(f) ? .35 : 1, n.fillStyle = is(c(f)), n.beginPath(), n.roundRect(_.left - 2, _.top - 2, u + 4, u + 4, 5), n.fill(), n.drawImage(v, _.left, _.top, u, u), n.globalAlpha = 1);
	}
	return d;
}
var ic = [
	[1, -1],
	[-1, -1],
	[1, 1],
	[-1, 1],
	[1.6, 0],
	[-1.6, 0],
	[0, -1.6],
	[0, 1.6],
	[2.6, -1.2],
	[-2.6, -1.2],
	[2.6, 1.2],
	[-2.6, 1.2]
];
function ac({ context: e, hits: t, camera: n, view: r, model: i, theme: a, pointSize: o }, s) {
	let c = t.map((e) => qa(n, r, i.xy[2 * e], i.xy[2 * e + 1])), l = Math.max(7, o + 2);
	for (let [e, t] of c) s.take(nc(e, t, l));
	let u = c.map(([e, t], n) => {
		let i = ic.map(([e, t]) => [e * (l + 4), t * (l + 4)]);
		return $s([{
			text: String(n),
			x: e,
			y: t,
			width: 18,
			height: 18,
			offsets: i
		}], s, r.width, r.height)[0] ?? null;
	});
	return () => {
		Object.assign(e, {
			textAlign: "center",
			textBaseline: "middle",
			font: `700 11px ${a.font}`
		});
		for (let [t, n] of c) oc(e, 4, is(a.ground), () => sc(e, t, n, l)), oc(e, 2, a.ink, () => sc(e, t, n, l));
		u.forEach((t, n) => {
			t && (e.fillStyle = a.ink, e.beginPath(), e.arc(t[0], t[1], 8, 0, 7), e.fill(), e.fillStyle = is(a.ground), e.fillText(String(n + 1), t[0], t[1] + .5));
		});
	};
}
function oc(e, t, n, r) {
	e.lineWidth = t, e.strokeStyle = n, r();
}
function sc(e, t, n, r) {
	e.beginPath(), e.arc(t, n, r, 0, 7), e.stroke();
}
var cc = [
	[0, 0],
	[0, -16],
	[0, 16],
	[0, -30],
	[0, 30]
];
function lc({ context: e, scenery: t, camera: n, view: r, texts: i, pointSize: a }, o, s) {
	let c = [];
	for (let e of t.names) {
		let [t, o] = qa(n, r, e.x, e.y);
		if (t < -80 || o < -40 || t > r.width + 80 || o > r.height + 40) continue;
		let l = i.of(e.text, e.level);
		c.push({
			text: e.text,
			x: t,
			y: o,
			width: l.width,
			height: l.height - 2,
			sprite: l,
			offsets: uc(e, s, l, a)
		});
	}
	$s(c, o, r.width, r.height).forEach((t, n) => {
		let { sprite: r } = c[n];
		t && e.drawImage(r.picture, t[0] - r.width / 2, t[1] - r.height / 2, r.width, r.height);
	});
}
function uc(e, t, n, r) {
	if (e.level !== "single") return cc;
	let i = t.get(`${e.x},${e.y}`);
	return i === void 0 ? [[0, r / 2 + n.height / 2], [n.width / 2 + r / 2, 0]] : [[0, i + n.height / 2], [0, -i - n.height / 2]];
}
function dc({ context: e, theme: t }, n) {
	if (!(n.length < 4)) {
		e.beginPath(), e.moveTo(n[0], n[1]);
		for (let t = 2; t < n.length; t += 2) e.lineTo(n[t], n[t + 1]);
		e.closePath(), e.globalAlpha = .12, e.fillStyle = t.accent, e.fill(), e.globalAlpha = 1, e.lineWidth = 1.5, e.strokeStyle = t.accent, e.setLineDash([5, 4]), e.stroke(), e.setLineDash([]);
	}
}
var fc = 150, pc = 3, mc = .3;
function hc(e, t, n) {
	let r = t.map(() => []);
	for (let t of e.living) n[t] && r[e.cluster[t]]?.push(t);
	return r.map((e, t) => ({
		points: e,
		group: t
	})).filter(({ points: e, group: n }) => e.length > 0 && t[n]).sort((e, t) => t.points.length - e.points.length).map(({ points: n, group: r }) => ({
		...gc(e, n),
		text: t[r],
		level: "cluster",
		group: r
	}));
}
function gc(e, t) {
	let n = (n) => Float32Array.from(t, (t) => e.xy[2 * t + n]).sort()[t.length >> 1];
	return {
		x: n(0),
		y: n(1)
	};
}
function _c(e, t, n, r) {
	let i = fc / 2 ** Math.round(Math.log2(Ka(t, n))), a = /* @__PURE__ */ new Map(), o = /* @__PURE__ */ new Map();
	for (let t of r) {
		let { index: n, start: r } = xo(e, t), s = `${Math.floor(e.xy[2 * t] / i)},${Math.floor(e.xy[2 * t + 1] / i)}`;
		o.set(s, (o.get(s) ?? 0) + 1);
		let c = n.label(t - r);
		if (!c) continue;
		let l = a.get(s);
		l || a.set(s, l = /* @__PURE__ */ new Map());
		let u = l.get(c);
		u ? u.push(t) : l.set(c, [t]);
	}
	let s = [];
	for (let [t, n] of a) {
		let [r, i] = [...n].reduce((e, t) => t[1].length > e[1].length ? t : e);
		i.length < pc || i.length < mc * o.get(t) || s.push({
			...gc(e, i),
			text: r,
			level: "local",
			size: i.length
		});
	}
	return s.sort((e, t) => t.size - e.size);
}
function vc(e, t) {
	return t.map((t) => {
		let { index: n, start: r } = xo(e, t);
		return {
			text: n.title(t - r),
			x: e.xy[2 * t],
			y: e.xy[2 * t + 1],
			level: "single"
		};
	});
}
var yc = {
	names: [],
	crops: [],
	inView: 0
}, bc = 2.2, xc = 6e4;
function Sc(e, t, n, r, i, a) {
	let o = Co(e, Ya(t, n), r), s = o.length > 0 && o.length < 150 && t.zoom > 1.5, c = t.zoom >= bc && !s && o.length < xc ? _c(e, t, n, o) : [], l = new Set(i.map((e) => e.text)), u = s ? Cc(o, a) : [];
	return {
		names: [
			...i,
			...c.filter((e) => !l.has(e.text)),
			...vc(e, u)
		],
		crops: u.flatMap((t) => {
			let { index: n, start: r } = xo(e, t), i = n.base.crop[t - r];
			return i >= 0 ? [{
				point: t,
				path: n.at(`crop/${i}.webp`)
			}] : [];
		}),
		inView: o.length
	};
}
function Cc(e, t) {
	let n = t.filter((t) => e.includes(t));
	return [...n, ...e.filter((e) => !n.includes(e))];
}
// src/map/text.ts
var wc = {
	cluster: {
		weight: 650,
		size: 14,
		most: 30
	},
	local: {
		weight: 500,
		size: 12,
		most: 26
	},
	single: {
		weight: 400,
		size: 11,
		most: 20
	}
}, Tc = 600;
function Ec(e, t) {
	let n = [...e];
	return n.length <= t ? e : `${n.slice(0, t - 1).join("").trimEnd()}…`;
}
var Dc = class {
	kept = /* @__PURE__ */ new Map();
	measure = document.createElement("canvas").getContext("2d");
	ratio = 0;
	theme = null;
	suit(e, t) {
		(e !== this.theme || t !== this.ratio) && (this.theme = e, this.ratio = t, this.kept.clear());
	}
	of(e, t) {
		let n = `${t} ${e}`, r = this.kept.get(n);
		if (r) return r;
		this.kept.size >= Tc && this.kept.delete(this.kept.keys().next().value);
		let i = this.make(e, t);
		return this.kept.set(n, i), i;
	}
	make(e, t) {
		let { weight: n, size: r, most: i } = wc[t], a = Ec(e, i), o = `${n} ${r}px ${this.theme.font}`;
		this.measure.font = o;
		let s = Math.ceil(this.measure.measureText(a).width) + 6, c = Math.ceil(r * 1.25) + 6, l = Object.assign(document.createElement("canvas"), {
			width: Math.ceil(s * this.ratio),
			height: Math.ceil(c * this.ratio)
		}), u = l.getContext("2d");
		return u.scale(this.ratio, this.ratio), Object.assign(u, {
			font: o,
			textBaseline: "middle",
			textAlign: "center",
			lineJoin: "round",
			lineWidth: 6
		}), u.strokeStyle = is(this.theme.ground, .88), u.strokeText(a, s / 2, c / 2 + .5), u.fillStyle = t === "single" ? this.theme.soft : this.theme.ink, u.fillText(a, s / 2, c / 2 + .5), {
			picture: l,
			width: s,
			height: c
		};
	}
}, Oc = () => document.createElement("canvas").getContext("2d");
function kc(e) {
	let t = getComputedStyle(e), n = Oc(), r = (e) => (n.fillStyle = t.getPropertyValue(e).trim() || "#888", String(n.fillStyle)), i = rs(r("--ground")), a = as(i);
	return {
		dark: a,
		ground: i,
		ink: r("--ink"),
		soft: r("--soft"),
		plain: a ? [
			128,
			137,
			150
		] : [
			150,
			157,
			166
		],
		accent: r("--accent"),
		panel: r("--panel"),
		line: r("--line"),
		font: t.fontFamily || "sans-serif"
	};
}
function Ac(e) {
	let t = F(kc(e)), n = () => void (t.value = kc(e)), r = matchMedia("(prefers-color-scheme: dark)"), i = new MutationObserver(n), a = e.closest(".semlens");
	return r.addEventListener("change", n), a && i.observe(a, {
		attributes: !0,
		attributeFilter: ["data-theme"]
	}), {
		theme: t,
		stop: () => {
			r.removeEventListener("change", n), i.disconnect();
		}
	};
}
// src/map/webgl.ts
var jc = "#version 300 es\nlayout(location=0) in vec2 place;\nlayout(location=1) in vec4 colour;\nlayout(location=2) in uint mark;\nuniform vec2 centre;\nuniform vec2 scale;\nuniform float size;\nuniform float opacity;\nout vec4 tint;\nflat out vec2 form; // pixels across, outlined\nvoid main() {\n  gl_Position = vec4((place - centre) * scale, 0.0, 1.0);\n  float large = float(mark & 1u);\n  float outlined = float((mark & 2u) >> 1);\n  gl_PointSize = size * (1.0 + 0.9 * large) * (1.0 + 0.5 * outlined);\n  float alpha = colour.a * mix(opacity, 1.0, large);\n  tint = vec4(colour.rgb * alpha, alpha);\n  form = vec2(gl_PointSize, outlined);\n}", Mc = "#version 300 es\nprecision mediump float;\nin vec4 tint;\nflat in vec2 form;\nout vec4 colour;\nvoid main() {\n  vec2 at = abs(gl_PointCoord * 2.0 - 1.0);\n  float away = form.y > 0.5 ? at.x + at.y : length(at);\n  float pixel = 2.0 / form.x;\n  float cover = clamp((1.0 - away) / pixel + 0.5, 0.0, 1.0);\n  if (form.y > 0.5) cover *= clamp((away - 1.0 + 3.0 * pixel) / pixel, 0.25, 1.0);\n  colour = tint * cover;\n}", Nc = [
	"centre",
	"scale",
	"size",
	"opacity"
];
function Pc(e) {
	let t = e.getContext("webgl2", {
		alpha: !1,
		antialias: !1,
		depth: !1,
		stencil: !1
	});
	return t ? new Ic(e, t, Fc(t) ? "software" : "gpu") : null;
}
function Fc(e) {
	let t = e.getExtension("WEBGL_debug_renderer_info"), n = String(e.getParameter(t ? t.UNMASKED_RENDERER_WEBGL : e.RENDERER));
	if (/swiftshader|llvmpipe|softpipe|software|basic render/i.test(n)) return !0;
	let r = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: !0 });
	return r?.getExtension("WEBGL_lose_context")?.loseContext(), !r;
}
var Ic = class {
	canvas;
	gl;
	kind;
	programme = null;
	xy = /* @__PURE__ */ new Float32Array();
	looks = {
		colours: /* @__PURE__ */ new Uint8Array(),
		marks: /* @__PURE__ */ new Uint8Array(),
		order: /* @__PURE__ */ new Uint32Array()
	};
	again = () => {};
	size = [
		1,
		1,
		1
	];
	constructor(e, t, n) {
		this.canvas = e, this.gl = t, this.kind = n, e.addEventListener("webglcontextlost", this.lost), e.addEventListener("webglcontextrestored", this.restored), this.programme = Lc(t);
	}
	place(e) {
		this.xy = e, this.fill("place", e);
	}
	look(e) {
		this.looks = e, this.fill("colour", e.colours), this.fill("mark", e.marks), this.programme && (this.gl.bindBuffer(this.gl.ELEMENT_ARRAY_BUFFER, this.programme.buffers.order), this.gl.bufferData(this.gl.ELEMENT_ARRAY_BUFFER, e.order, this.gl.DYNAMIC_DRAW));
	}
	resize(e, t, n) {
		this.size = [
			e,
			t,
			n
		], this.canvas.width = Math.max(1, Math.round(e * n)), this.canvas.height = Math.max(1, Math.round(t * n));
	}
	draw({ x: e, y: t, scale: n, size: r, opacity: i, ground: a }) {
		let { gl: o, programme: s } = this;
		if (!s || o.isContextLost()) return;
		let [c, l, u] = this.size;
		o.viewport(0, 0, this.canvas.width, this.canvas.height), o.clearColor(a[0] / 255, a[1] / 255, a[2] / 255, 1), o.clear(o.COLOR_BUFFER_BIT), o.uniform2f(s.uniforms.centre, e, t), o.uniform2f(s.uniforms.scale, 2 * n / c, 2 * n / l), o.uniform1f(s.uniforms.size, r * u), o.uniform1f(s.uniforms.opacity, i), this.looks.order.length && this.looks.marks.length * 2 === this.xy.length && o.drawElements(o.POINTS, this.looks.order.length, o.UNSIGNED_INT, 0);
	}
	onRestored(e) {
		this.again = e;
	}
	destroy() {
		this.canvas.removeEventListener("webglcontextlost", this.lost), this.canvas.removeEventListener("webglcontextrestored", this.restored), this.gl.getExtension("WEBGL_lose_context")?.loseContext();
	}
	fill(e, t) {
		this.programme && (this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.programme.buffers[e]), this.gl.bufferData(this.gl.ARRAY_BUFFER, t, this.gl.DYNAMIC_DRAW));
	}
	lost = (e) => {
		e.preventDefault(), this.programme = null;
	};
	restored = () => {
		this.programme = Lc(this.gl), this.place(this.xy), this.look(this.looks), this.again();
	};
};
function Lc(e) {
	let t = e.createProgram();
	for (let [n, r] of [[e.VERTEX_SHADER, jc], [e.FRAGMENT_SHADER, Mc]]) {
		let i = e.createShader(n);
		if (!i) return null;
		e.shaderSource(i, r), e.compileShader(i), e.attachShader(t, i);
	}
	if (e.linkProgram(t), !e.getProgramParameter(t, e.LINK_STATUS)) {
		if (e.isContextLost()) return null;
		throw Error(e.getProgramInfoLog(t) ?? "the map's shaders do not link");
	}
	return e.useProgram(t), e.enable(e.BLEND), e.blendFunc(e.ONE, e.ONE_MINUS_SRC_ALPHA), {
		uniforms: Object.fromEntries(Nc.map((n) => [n, e.getUniformLocation(t, n)])),
		buffers: Rc(e)
	};
}
function Rc(e) {
	e.bindVertexArray(e.createVertexArray());
	let t = {
		place: e.createBuffer(),
		colour: e.createBuffer(),
		mark: e.createBuffer(),
		order: e.createBuffer()
	}, n = (t, n) => {
		e.bindBuffer(e.ARRAY_BUFFER, t), e.enableVertexAttribArray(n);
	};
	return n(t.place, 0), e.vertexAttribPointer(0, 2, e.FLOAT, !1, 0, 0), n(t.colour, 1), e.vertexAttribPointer(1, 4, e.UNSIGNED_BYTE, !0, 0, 0), n(t.mark, 2), e.vertexAttribIPointer(2, 1, e.UNSIGNED_BYTE, 0, 0), e.bindBuffer(e.ELEMENT_ARRAY_BUFFER, t.order), t;
}
// src/map/scene.ts
var zc = 180, Bc = 420, Vc = 14, Hc = 30, Uc = 2, Wc = class {
	state;
	stage;
	over;
	layer;
	context;
	crops;
	texts = new Dc();
	ends = [];
	ratio = 0;
	frame = 0;
	flight = 0;
	resting;
	written = "";
	drawn = !1;
	model = null;
	constructor(e, t, n, r) {
		this.state = e, this.stage = t, this.over = r, this.layer = Pc(n) ?? js(n), e.kind.value = this.layer.kind, this.layer.onRestored(() => this.invalidate()), this.context = r.getContext("2d"), this.crops = new Is(e.store.transport, () => this.invalidate()), this.follow(), this.ends.push(Gs(r, Xs(this, e)));
	}
	stop() {
		for (let e of this.ends) e();
		cancelAnimationFrame(this.frame), this.land(), clearTimeout(this.resting), this.crops.stop(), this.layer.destroy(), this.state.pointAt(-1);
	}
	follow() {
		let { state: e, ends: t } = this, n = Ac(this.stage), r = new ResizeObserver(() => this.resize());
		r.observe(this.stage), t.push(n.stop, () => r.disconnect()), t.push(L(() => void (e.theme.value = n.theme.value)), L(() => this.takeModel()), L(() => {
			let t = e.looks.value;
			t && this.layer.look(t), this.rest(), this.invalidate();
		}), L(() => void [
			e.camera.value,
			e.view.value,
			e.scenery.value,
			e.line.value,
			e.theme.value,
			e.places.value,
			this.invalidate()
		]), L(() => void [
			e.places.value,
			e.view.value,
			this.rest()
		]), L(() => this.followNames()), L(() => this.followUrl()), L(() => this.goWhereAsked()));
	}
	takeModel() {
		let e = this.state.model;
		if (!e || e === this.model) return;
		this.model && Xe(() => this.forget()), this.model = e, this.layer.place(e.xy);
		let t = this.state.view.peek();
		this.state.view.value = {
			...t,
			halfX: e.halfX,
			halfY: e.halfY
		};
	}
	forget() {
		this.state.pinned.value = -1, this.state.pointAt(-1), this.state.store.place.set({
			v: null,
			hide: null
		}, !0), this.move(Va);
	}
	followNames() {
		for (let { index: e } of this.state.model?.parts ?? []) e.labels.value, e.annotations.value;
		this.rest();
	}
	resize() {
		let { clientWidth: e, clientHeight: t } = this.stage, n = Math.min(Uc, devicePixelRatio || 1), r = this.state.view.peek();
		e && t && (r.width !== e || r.height !== t || n !== this.ratio) && (this.ratio = n, this.layer.resize(e, t, n), this.over.width = Math.round(e * n), this.over.height = Math.round(t * n), this.state.view.value = {
			...r,
			width: e,
			height: t
		}, this.draw());
	}
	invalidate() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0, Math.min(Uc, devicePixelRatio || 1) !== this.ratio && this.resize(), this.draw();
		});
	}
	pointSize() {
		let e = this.state.model?.living.length ?? 1;
		return Math.min(15, Math.max(1.6, 26 / e ** .22 * this.state.camera.peek().zoom ** .35));
	}
	draw() {
		let { state: e } = this, t = Xe(() => e.model), n = e.view.peek();
		if (!t || !n.width) return;
		this.drawn || performance.mark("map"), this.drawn = !0;
		let r = e.camera.peek(), i = e.theme.peek(), a = Ka(r, n), o = Math.min(.95, Math.max(.3, 1.5 - .2 * Math.log10(t.living.length) + .06 * Math.log2(r.zoom))), s = this.pointSize();
		this.layer.draw({
			x: r.x,
			y: r.y,
			scale: a,
			size: s,
			opacity: o,
			ground: i.ground
		}), tc({
			context: this.context,
			ratio: this.ratio,
			camera: r,
			view: n,
			theme: i,
			model: t,
			pointSize: s,
			scenery: e.scenery.peek(),
			hits: Xe(() => e.hits.value.filter((t) => e.visible.value[t])),
			line: e.line.peek(),
			colour: Xe(() => e.colour.value),
			faded: (t) => Xe(() => e.faded(t)),
			crops: this.crops,
			texts: this.texts
		});
	}
	move(e) {
		this.land(), this.state.camera.value = e, this.rest();
	}
	fly(e) {
		if (this.land(), matchMedia("(prefers-reduced-motion: reduce)").matches) return this.move(e);
		let t = this.state.camera.peek(), n = performance.now(), r = (i) => {
			let a = Math.min(1, Math.max(0, (i - n) / Bc));
			this.state.camera.value = eo(t, e, a), this.flight = a < 1 ? requestAnimationFrame(r) : 0, this.flight || this.rest();
		};
		this.flight = requestAnimationFrame(r), this.rest();
	}
	land() {
		cancelAnimationFrame(this.flight), this.flight = 0;
	}
	zoom(e) {
		let t = this.state.view.peek();
		this.fly(Za(this.state.camera.peek(), t, t.width / 2, t.height / 2, e));
	}
	fitAll() {
		this.fly(Va);
	}
	fitKept() {
		let { model: e, store: t, visible: n } = this.state, r = e?.parts.find(({ index: e }) => e === t.index.peek());
		if (!e || !r) return;
		let i = t.kept.peek(), a = Array.from(i.keys()).filter((e) => i[e] && n.peek()[r.start + e]).map((e) => r.start + e);
		a.length && this.fly($a(bo(e.xy, a), this.state.view.peek()));
	}
	centre(e, t = 40) {
		let { model: n, camera: r } = this.state;
		if (!n) return;
		let i = Math.max(r.peek().zoom, Math.min(400, Math.sqrt(n.living.length / t)));
		this.fly(Xa({
			x: n.xy[2 * e],
			y: n.xy[2 * e + 1],
			zoom: i
		}, this.state.view.peek()));
	}
	reveal(e) {
		let { model: t, camera: n, view: r } = this.state, { width: i, height: a } = r.peek(), [o, s] = qa(n.peek(), r.peek(), t.xy[2 * e], t.xy[2 * e + 1]);
		o > Hc && s > Hc && o < i - Hc && s < a - Hc || this.fly(Xa({
			x: t.xy[2 * e],
			y: t.xy[2 * e + 1],
			zoom: n.peek().zoom
		}, r.peek()));
	}
	rest() {
		clearTimeout(this.resting), delete this.stage.dataset.still, this.resting = setTimeout(() => this.rested(), zc);
	}
	rested() {
		let { state: e } = this, t = e.model, n = e.view.peek();
		if (!t || !n.width || this.flight) return;
		this.stage.dataset.still = "", e.scenery.value = Sc(t, e.camera.peek(), n, e.visible.peek(), e.places.peek(), e.hits.peek()), this.crops.want(e.scenery.peek().crops.map((e) => e.path));
		let r = to(e.camera.peek());
		r !== (e.store.place.route.peek().params.get("v") ?? "") && (this.written = r, e.store.place.set({ v: r }, !0));
	}
	followUrl() {
		let e = this.state.store.param("v");
		if (e === this.written) return;
		this.written = e;
		let t = e ? no(e) : Va;
		t && Xe(() => this.state.scenery.peek() === yc ? this.move(t) : this.fly(t));
	}
	goWhereAsked() {
		let { store: e } = this.state, t = e.param("at"), n = this.state.model;
		if (!t || !n || !this.state.view.value.width) return;
		let r = So(n, e.index.peek().number, Number(t));
		Xe(() => {
			if (e.place.set({ at: null }, !0), r < 0) return void (e.told.value = "This component is not on the map: it has no example.");
			this.state.pinned.value = r, this.centre(r);
		});
	}
	under(e, t) {
		let { model: n, camera: r, view: i, visible: a, scenery: o } = this.state;
		if (!n) return -1;
		let [s, c] = Ja(r.peek(), i.peek(), e, t), l = o.peek().crops.length;
		return wo(n, s, c, (l ? Math.max(Vc, ec(i.peek(), l) / 2) : Vc) / Ka(r.peek(), i.peek()), a.peek());
	}
	inside(e) {
		let { model: t, camera: n, view: r, visible: i } = this.state;
		if (!t) return [];
		let a = [];
		for (let t = 0; t < e.length; t += 2) a.push(...Ja(n.peek(), r.peek(), e[t], e[t + 1]));
		return t.tree.range(...Rs(a)).map((e) => t.living[e]).filter((e) => i.peek()[e] && Ls(a, t.xy[2 * e], t.xy[2 * e + 1]));
	}
	async png() {
		this.draw();
		let e = Object.assign(document.createElement("canvas"), {
			width: this.over.width,
			height: this.over.height
		}), t = e.getContext("2d");
		return t.drawImage(this.layer.canvas, 0, 0, e.width, e.height), t.drawImage(this.over, 0, 0), new Promise((t, n) => e.toBlob((e) => e ? t(e) : n(/* @__PURE__ */ Error("the browser could not write the picture")), "image/png"));
	}
}, Gc = 230, Kc = 70;
function qc(e, t) {
	for (let n = 0; n < e.length; n++) if (!e[n] && !t[n]) return !0;
	return !1;
}
function Jc(e, { colouring: t, hidden: n, active: r, others: i }) {
	let a = new Uint8Array(e.count);
	for (let { index: t, start: n, stop: o } of e.parts) if (i || t.number === r) for (let t = n; t < o; t++) a[t] = +(e.cluster[t] >= 0);
	if (t.kind === "groups" && n.size) for (let r = 0; r < e.count; r++) n.has(t.of[r]) && (a[r] = 0);
	return a;
}
function Yc(e, t, n) {
	if (e.kind === "none") return () => n;
	if (e.kind === "values") {
		let r = us(t);
		return (t) => hs(e.of[t], e.low, e.high, r) ?? n;
	}
	let r = e.groups.map((e, r) => e.plain ? n : cs(r, t));
	return (t) => r[e.of[t]] ?? n;
}
function Xc(e, t, n) {
	let { colouring: r, kept: i, plain: a, lit: o } = n, s = new Uint8Array(4 * e.count), c = new Uint8Array(e.count), l = new Uint8Array(e.count), u = Yc(r, n.dark, a);
	for (let { index: d, start: f, stop: p } of e.parts) {
		let m = d.number === n.active, h = !m && qc(i, e.parts.find((e) => e.index.number === n.active).index.base.dead);
		for (let e = f; e < p; e++) {
			if (!t[e]) continue;
			let n = m ? i[e - f] : !h, d = o === null || r.kind !== "groups" || r.of[e] === o, [p, g, _] = n ? u(e) : a;
			l[e] = n && d ? 1 : 0, s[4 * e] = p, s[4 * e + 1] = g, s[4 * e + 2] = _, s[4 * e + 3] = n ? d ? Gc : 40 : Kc, c[e] = m ? 0 : 2;
		}
	}
	for (let e of n.hits) c[e] |= 1, l[e] = 2;
	return {
		colours: s,
		marks: c,
		order: $c(e, t, l)
	};
}
var Zc = /* @__PURE__ */ new WeakMap();
function Qc(e) {
	let t = Zc.get(e);
	if (t) return t;
	let n = e.living.slice(), r = 1;
	for (let e = n.length - 1; e > 0; e--) {
		r = Math.imul(r, 1664525) + 1013904223 >>> 0;
		let t = Math.floor(r / 2 ** 32 * (e + 1));
		[n[e], n[t]] = [n[t], n[e]];
	}
	return Zc.set(e, n), n;
}
function $c(e, t, n) {
	let r = [
		0,
		0,
		0
	], i = Qc(e);
	for (let e of i) t[e] && r[n[e]]++;
	let a = [
		0,
		r[0],
		r[0] + r[1]
	], o = new Uint32Array(r[0] + r[1] + r[2]);
	for (let e of i) t[e] && (o[a[n[e]]++] = e);
	return o;
}
// src/map/state.ts
var el = 5, tl = {
	dark: !1,
	ground: [
		255,
		255,
		255
	],
	ink: "#1c2128",
	soft: "#57606a",
	plain: [
		150,
		157,
		166
	],
	accent: "#0b63b0",
	panel: "#f6f7f9",
	line: "#d9dde3",
	font: "sans-serif"
}, nl = class {
	store;
	camera = F(Va);
	view = F({
		width: 0,
		height: 0,
		halfX: 1,
		halfY: 1
	});
	theme = F(tl);
	kind = F(null);
	mode = F("pan");
	combine = F("new");
	line = F(null);
	hover = F(-1);
	pinned = F(-1);
	lit = F(null);
	scenery = F(yc);
	said = F("");
	found;
	by;
	colouring;
	hidden;
	others;
	hits;
	visible;
	looks;
	clusters;
	places;
	constructor(e) {
		this.store = e, this.found = I(() => ho(e)), this.by = I(() => Lo(e)), this.colouring = I(() => this.model && Ro(e, this.model, this.by.value)), this.hidden = I(() => new Set(e.param("hide").split(",").filter(Boolean).map(Number))), this.others = I(() => e.param("other") !== "0"), this.hits = I(() => this.topHits()), this.visible = I(() => this.model ? Jc(this.model, this.shown()) : /* @__PURE__ */ new Uint8Array()), this.looks = I(() => this.model && Xc(this.model, this.visible.value, {
			...this.shown(),
			lit: this.lit.value
		})), this.clusters = I(() => this.model ? Ho(this.model) : []), this.places = I(() => this.model ? hc(this.model, this.clusters.value, this.standing()) : []);
	}
	get model() {
		return z(this.found.value) ?? null;
	}
	shown() {
		return {
			colouring: this.colouring.value,
			hidden: this.hidden.value,
			lit: null,
			active: this.store.index.value.number,
			others: this.others.value,
			kept: this.store.kept.value,
			hits: this.hits.value,
			dark: this.theme.value.dark,
			plain: this.theme.value.plain
		};
	}
	standing() {
		let e = this.model.parts.find(({ index: e }) => e === this.store.index.value);
		if (!this.filtered) return this.visible.value;
		let t = this.store.kept.value;
		return this.visible.value.map((n, r) => r >= e.start && r < e.stop ? n & t[r - e.start] : 0);
	}
	topHits() {
		let { model: e, store: t } = this, n = t.search.value;
		if (!e || !n || !z(n)) return [];
		let r = t.index.value.number;
		return Array.from(t.order.value.subarray(0, el), (t) => So(e, r, t)).filter((e) => e >= 0);
	}
	colour = I(() => Yc(this.colouring.value ?? {
		kind: "none",
		why: ""
	}, this.theme.value.dark, this.theme.value.plain));
	faded(e) {
		let t = xo(this.model, e);
		return t.index === this.store.index.peek() && !this.store.kept.peek()[e - t.start];
	}
	get filtered() {
		return qc(this.store.kept.value, this.store.index.value.base.dead);
	}
	pointAt(e) {
		this.hover.value = e;
		let t = e >= 0 && this.model ? xo(this.model, e) : null;
		this.store.pointed.value = t ? {
			index: t.index.number,
			row: e - t.start
		} : null;
	}
	caught(e, t) {
		let { store: n } = this, r = this.model.parts.find(({ index: e }) => e === n.index.peek()), i = e.filter((e) => e >= r.start && e < r.stop).map((e) => e - r.start);
		if (!i.length && t === "new") {
			this.said.value = n.told.value = "No component of this index lies within the line.";
			return;
		}
		let a = n.kept.peek(), o = Bs(n.selection.peek(), i, t, () => Array.from(a.keys()).filter((e) => a[e]));
		n.select(o), this.said.value = `${o.length} components selected.`;
	}
	toggle(e, t) {
		let n = this.colouring.peek();
		if (n?.kind !== "groups") return;
		let r = new Set(this.hidden.peek());
		if (t) {
			let t = n.groups.every((t, n) => r.has(n) !== (n === e));
			r.clear(), t || n.groups.forEach((t, n) => n !== e && r.add(n));
		} else r.delete(e) || r.add(e);
		this.store.place.set({ hide: [...r].sort((e, t) => e - t).join(",") || null }, !0);
	}
}, rl = {
	pan: "M8 1.5v13M1.5 8h13M8 1.5 6.2 3.6M8 1.5l1.8 2.1M8 14.5l-1.8-2.1M8 14.5l1.8-2.1M1.5 8l2.1-1.8M1.5 8l2.1 1.8M14.5 8l-2.1-1.8M14.5 8l-2.1 1.8",
	lasso: "M5.2 12.2C2.6 11.4 1.2 9.700 1.400 7.400 1.700 4.200 5 2 9 2.300c3.600.3 5.800 2.500 5.500 5.200-.3 3-3.500 5-7.300 4.900M5.200 12.200a1.400 1.400 0 1 0 1.900.2c-.2 1.200-.9 1.900-2.100 2.400",
	box: "M2 5V2h3M8 2h0M11 2h3v3M14 8h0M14 11v3h-3M8 14h0M5 14H2v-3M2 8h0",
	new: "M4 8l3 3 5-6",
	add: "M8 3v10M3 8h10",
	less: "M3 8h10",
	all: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4M6 8a2 2 0 1 0 4 0 2 2 0 1 0-4 0",
	kept: "M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M5 6h0M10 5h0M8 8.500h0M6 11h0M11 10.500h0",
	save: "M8 2v8M4.700 7 8 10.300 11.300 7M2.500 13.500h11"
};
function il({ of: e }) {
	return /* @__PURE__ */ K("svg", {
		class: "map-icon",
		viewBox: "0 0 16 16",
		width: "16",
		height: "16",
		"aria-hidden": "true",
		focusable: "false",
		children: /* @__PURE__ */ K("path", {
			d: rl[e],
			fill: "none",
			stroke: "currentColor",
			"stroke-width": "1.5",
			"stroke-linecap": "round",
			"stroke-linejoin": "round"
		})
	});
}
// src/map/Tools.tsx
var al = [
	{
		value: "pan",
		sign: "pan",
		says: "Drag to move the map"
	},
	{
		value: "lasso",
		sign: "lasso",
		says: "Drag to select with a lasso (or Shift and drag)"
	},
	{
		value: "box",
		sign: "box",
		says: "Drag to select a rectangle"
	}
], ol = [
	{
		value: "new",
		sign: "new",
		says: "A new selection"
	},
	{
		value: "add",
		sign: "add",
		says: "Add to the selection (Shift, Ctrl and drag)"
	},
	{
		value: "less",
		sign: "less",
		says: "Take away from the selection (Alt and drag)"
	}
];
function sl({ state: e, scene: t }) {
	let n = B();
	return /* @__PURE__ */ K("div", {
		class: "map-tools",
		role: "toolbar",
		"aria-label": "Map tools",
		children: [
			/* @__PURE__ */ K(ll, { state: e }),
			/* @__PURE__ */ K(ul, {
				name: "Dragging",
				choices: al,
				chosen: e.mode.value,
				choose: (t) => e.mode.value = t
			}),
			/* @__PURE__ */ K(ul, {
				name: "Selecting",
				choices: ol,
				chosen: e.combine.value,
				choose: (t) => e.combine.value = t,
				off: e.mode.value === "pan"
			}),
			/* @__PURE__ */ K("span", {
				class: "map-group",
				role: "group",
				"aria-label": "View",
				children: [
					/* @__PURE__ */ K(dl, {
						sign: "add",
						says: "Zoom in (+)",
						does: () => t?.zoom(1.6)
					}),
					/* @__PURE__ */ K(dl, {
						sign: "less",
						says: "Zoom out (−)",
						does: () => t?.zoom(1 / 1.6)
					}),
					/* @__PURE__ */ K(dl, {
						sign: "all",
						says: "Fit all components into the view (0)",
						does: () => t?.fitAll()
					}),
					/* @__PURE__ */ K(dl, {
						sign: "kept",
						says: "Fit the selected and filtered ones into the view",
						off: !e.filtered,
						does: () => t?.fitKept()
					})
				]
			}),
			/* @__PURE__ */ K(dl, {
				sign: "save",
				says: "Save the map as a picture (PNG)",
				does: () => t && void cl(t, n)
			})
		]
	});
}
async function cl(e, t) {
	try {
		un("map.png", await e.png()), t.told.value = "Saved the map as map.png.";
	} catch (e) {
		t.told.value = e instanceof Error ? e.message : String(e);
	}
}
function ll({ state: e }) {
	let { store: t } = e, { info: n } = t.index.value, r = e.by.value, i = No.filter((e) => e === r || (e !== "relevance" || n.classes.length > 0) && (e !== "query" || t.query.value) && (e !== "tag" || t.session.can.annotate)), a = (e) => t.place.set({
		color: e,
		hide: null
	}, !0);
	return /* @__PURE__ */ K("label", {
		class: "map-colour",
		title: Io[r],
		children: [
			"Colour by",
			" ",
			/* @__PURE__ */ K("select", {
				value: r,
				onChange: (e) => a(e.currentTarget.value),
				children: i.map((e) => /* @__PURE__ */ K("option", {
					value: e,
					children: Fo[e]
				}, e))
			})
		]
	});
}
function ul({ name: e, choices: t, chosen: n, choose: r, off: i = !1 }) {
	return /* @__PURE__ */ K("span", {
		class: "map-group",
		role: "group",
		"aria-label": e,
		children: t.map(({ value: e, sign: t, says: a }) => /* @__PURE__ */ K("button", {
			type: "button",
			class: "map-tool",
			"aria-pressed": e === n,
			disabled: i,
			"aria-label": a,
			title: a,
			onClick: () => r(e),
			children: /* @__PURE__ */ K(il, { of: t })
		}, e))
	});
}
function dl({ sign: e, says: t, does: n, off: r = !1 }) {
	return /* @__PURE__ */ K("button", {
		type: "button",
		class: "map-tool",
		"aria-label": t,
		title: t,
		disabled: r,
		onClick: n,
		children: /* @__PURE__ */ K(il, { of: e })
	});
}
// src/map/MapPanel.tsx
function fl() {
	let e = B(), t = M(() => new nl(e), [e]), [n, r] = O(null);
	return /* @__PURE__ */ K("section", {
		class: "map",
		"aria-label": "Map of all components",
		children: [
			/* @__PURE__ */ K("p", {
				class: "map-says soft",
				children: [
					"Each point is one component. ",
					/* @__PURE__ */ K(hl, { state: t }),
					"; how far apart they lie measures nothing. ",
					/* @__PURE__ */ K(gl, { state: t })
				]
			}),
			/* @__PURE__ */ K(sl, {
				state: t,
				scene: n
			}),
			/* @__PURE__ */ K("div", {
				class: "map-body",
				children: [/* @__PURE__ */ K(pl, {
					state: t,
					scene: n,
					ready: r
				}), /* @__PURE__ */ K(gs, { state: t })]
			}),
			/* @__PURE__ */ K("p", {
				class: "map-foot soft",
				children: /* @__PURE__ */ K(_l, { state: t })
			}),
			/* @__PURE__ */ K("p", {
				class: "map-heard",
				role: "status",
				"aria-live": "polite",
				children: t.said.value
			})
		]
	});
}
function pl({ state: e, scene: t, ready: n }) {
	let { store: r } = e, i = j(null), a = j(null), o = j(null);
	k(() => {
		let t = new Wc(e, i.current, a.current, o.current);
		return n(t), () => (t.stop(), n(null));
	}, [e]);
	let s = (t) => {
		let { index: n, start: i } = xo(e.model, t);
		r.place.go(n.path(t - i), In(r, n));
	}, c = (n) => {
		t && Oo(n, e, t, s) && (n.preventDefault(), n.stopPropagation());
	}, l = e.found.value;
	return /* @__PURE__ */ K("div", {
		class: `map-stage map-mode-${e.mode.value}`,
		ref: i,
		onKeyDown: (e) => e.key === "Escape" && c(e),
		children: [
			/* @__PURE__ */ K("canvas", {
				class: "map-points",
				ref: a,
				"aria-hidden": "true"
			}),
			/* @__PURE__ */ K("canvas", {
				class: "map-over",
				ref: o,
				role: "application",
				tabIndex: 0,
				"aria-label": "Map of components. Plus and minus zoom, 0 shows all, arrows move. Ctrl and an arrow jump to the next component, Enter opens it. The table has the same components.",
				onKeyDown: c
			}),
			/* @__PURE__ */ K(ws, { state: e }),
			/* @__PURE__ */ K(Es, { state: e }),
			/* @__PURE__ */ K(ml, {
				state: e,
				scene: t
			}),
			l.state !== "ready" && /* @__PURE__ */ K("div", {
				class: "map-wait",
				children: l.state === "absent" ? /* @__PURE__ */ K("p", {
					class: "absent",
					children: l.why
				}) : /* @__PURE__ */ K(Un, {
					what: "map",
					job: l.job
				})
			})
		]
	});
}
function ml({ state: e, scene: t }) {
	let n = e.scenery.value;
	return n === yc || n.inView || !e.model ? null : /* @__PURE__ */ K("p", {
		class: "map-empty",
		children: [
			"Nothing here.",
			" ",
			/* @__PURE__ */ K("button", {
				type: "button",
				class: "map-tool",
				onClick: () => (e.store.place.set({ hide: null }, !0), t?.fitAll()),
				children: "Show all"
			})
		]
	});
}
function hl({ state: e }) {
	return /* @__PURE__ */ K(T, { children: e.model?.by === "encoding" ? "Near means responding alike over all images" : "Near means similar to the foundation model" });
}
function gl({ state: e }) {
	return e.model?.drawing === "principal" ? /* @__PURE__ */ K(T, { children: [
		"Drawn along the two principal axes, which is coarse: ",
		/* @__PURE__ */ K("code", { children: "pip install 'semlens[umap]'" }),
		" gives a finer map."
	] }) : null;
}
function _l({ state: e }) {
	let { store: t } = e, n = e.model, r = e.kind.value, i = n ? n.count - n.living.length : 0;
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("a", {
			href: t.place.href(["table"]),
			children: "As a table"
		}),
		n && /* @__PURE__ */ K("span", { children: [
			" · ",
			H(e.scenery.value.inView),
			" of ",
			H(n.living.length),
			" in view",
			i > 0 && /* @__PURE__ */ K(T, { children: [
				" (",
				H(i),
				" without examples)"
			] })
		] }),
		r === "software" && /* @__PURE__ */ K("span", {
			class: "map-slow",
			children: " · drawn without a graphics card: slower"
		}),
		r === "canvas" && /* @__PURE__ */ K("span", {
			class: "map-slow",
			children: " · drawn without WebGL2: slower"
		})
	] });
}
// src/views/Explore.tsx
var vl = "(min-width: 1000px)";
function yl() {
	return /* @__PURE__ */ K("div", {
		class: "explore",
		children: [/* @__PURE__ */ K(bl, {}), /* @__PURE__ */ K(fl, {})]
	});
}
function bl() {
	let e = B(), t = Ia(), { index: n, rows: r, found: i, busy: a, job: o } = t, s = M(() => i && oi(i), [i]), [c, l] = O(1), u = matchMedia(vl).matches ? 3e3 : 24, d = Math.min(r.length, c * u), f = wl(e, t);
	return k(() => l(1), [r]), /* @__PURE__ */ K("section", {
		class: "results",
		ref: f,
		"aria-label": "Results",
		"aria-busy": a,
		children: [
			!e.query.value && !Rn(e.place) && /* @__PURE__ */ K(Na, {}),
			/* @__PURE__ */ K("div", {
				class: "results-head",
				children: [
					/* @__PURE__ */ K("h1", { children: t.title }),
					o ? /* @__PURE__ */ K(Un, {
						what: "Search",
						job: o
					}) : /* @__PURE__ */ K("p", {
						class: "soft",
						children: t.says
					}),
					i?.remark && /* @__PURE__ */ K("p", {
						class: "remark",
						children: xl(i.remark)
					}),
					/* @__PURE__ */ K("a", {
						class: "to-map",
						href: "#map",
						onClick: (e) => (e.preventDefault(), f.current?.nextElementSibling?.scrollIntoView()),
						children: "To the map"
					})
				]
			}),
			r.length ? /* @__PURE__ */ K(di, {
				index: n,
				rows: r,
				found: i,
				scale: s,
				count: d
			}) : /* @__PURE__ */ K(Sl, {}),
			d < r.length && /* @__PURE__ */ K("button", {
				type: "button",
				class: "button more",
				onClick: () => l(c + 1),
				children: ["Show ", V(Math.min(u, r.length - d), "more component", "more components")]
			})
		]
	});
}
function xl(e) {
	return `${e.charAt(0).toUpperCase()}${e.slice(1)}.`;
}
function Sl() {
	let e = B();
	return Rn(e.place) ? /* @__PURE__ */ K("p", {
		class: "nothing",
		children: [
			"No component passes these filters.",
			" ",
			/* @__PURE__ */ K("button", {
				type: "button",
				class: "button",
				onClick: () => e.place.set(Fn),
				children: "Show all"
			})
		]
	}) : /* @__PURE__ */ K("p", {
		class: "nothing",
		children: "There is no component to show."
	});
}
var Cl = null;
function wl(e, { busy: t, rows: n }) {
	let r = j(null), i = `${e.index.value.number} ${e.query.value} ${n.length}`;
	return A(() => {
		let e = r.current;
		e.scrollTop = !t && Cl?.of === i ? Cl.top : 0;
		let n = () => {
			Cl = {
				of: i,
				top: e.scrollTop
			};
		};
		return e.addEventListener("scroll", n, { passive: !0 }), () => e.removeEventListener("scroll", n);
	}, [i, t]), r;
}
// src/ui/SaveAs.tsx
function Tl({ what: e, kinds: t, save: n }) {
	let r = B(), [i, a] = O(!1), o = async (t) => {
		a(!0);
		try {
			await n(t), r.told.value = `saved ${e} as ${t.toUpperCase()}`;
		} catch (e) {
			r.told.value = e instanceof Error ? e.message : String(e);
		} finally {
			a(!1);
		}
	};
	return /* @__PURE__ */ K("span", {
		class: "save-as buttons",
		role: "group",
		"aria-label": `Save ${e}`,
		children: [/* @__PURE__ */ K("span", {
			class: "soft",
			"aria-hidden": "true",
			children: "Save"
		}), t.map((t) => /* @__PURE__ */ K("button", {
			type: "button",
			class: "button",
			disabled: i,
			title: `Save ${e} as it is shown, as ${t.toUpperCase()}`,
			onClick: () => void o(t),
			children: t.toUpperCase()
		}, t))]
	});
}
// src/audit/frame.ts
var El = 17, Dl = 2.2, Ol = 3e3, kl = 1.4, Al = 5;
function jl(e, t, n, r) {
	let i = Math.round(Math.min(Math.max(r * .74, 340), 600)), a = (r) => {
		let [i, a] = [0, 4];
		for (let n of t) [i, a] = [Math.min(i, e.rows[n][r]), Math.max(a, e.rows[n][r])];
		Number.isFinite(n[r]) && (a = Math.max(a, n[r]));
		let o = (a - i) * .06;
		return [i - o, a + o];
	};
	return {
		width: r,
		height: i,
		left: 52,
		right: r - 14,
		top: 24,
		bottom: i - 56,
		valid: a("valid"),
		spurious: a("spurious")
	};
}
function Ml({ left: e, right: t, valid: [n, r] }, i) {
	return e + (i - n) / (r - n) * (t - e);
}
function Nl({ top: e, bottom: t, spurious: [n, r] }, i) {
	return e + (r - i) / (r - n) * (t - e);
}
function Pl(e, t, n) {
	return t === "valid" ? Math.max(e.left, Math.min(Ml(e, n), e.right)) : Math.min(e.bottom, Math.max(Number.isFinite(n) ? Nl(e, n) : e.top, e.top));
}
function Fl(e, t, n, r) {
	let [i, a] = e[t], o = t === "valid" ? (n - e.left) / (e.right - e.left) : (e.bottom - r) / (e.bottom - e.top);
	return i + Math.min(Math.max(o, 0), 1) * (a - i);
}
function Il(e, t, n) {
	let r = Array.from(t, (t) => e.rows[t]), i = r.reduce((e, t) => Math.max(e, t.relevance), 0) || 1, a = t.length > Ol ? kl : Dl, o = n.width < 480 ? El * .7 : El;
	return {
		at: t,
		x: Float32Array.from(r, (e) => Ml(n, e.valid)),
		y: Float32Array.from(r, (e) => Nl(n, e.spurious)),
		radius: Float32Array.from(r, (e) => Math.max(a, o * Math.sqrt(Math.max(e.relevance, 0) / i)))
	};
}
function Ll({ at: e, x: t, y: n, radius: r }, i) {
	return {
		at: Int32Array.from(i, (t) => e[t]),
		x: Float32Array.from(i, (e) => t[e]),
		y: Float32Array.from(i, (e) => n[e]),
		radius: Float32Array.from(i, (e) => r[e])
	};
}
function Rl(e, t, n) {
	let [r, i] = [-1, Infinity];
	for (let a = 0; a < e.at.length; a++) {
		let o = e.radius[a], s = Math.hypot(e.x[a] - t, e.y[a] - n), c = s <= o ? o : o + s;
		s <= Math.max(o, Al) && c <= i && ([r, i] = [a, c]);
	}
	return r;
}
function zl(e, t) {
	let n = [];
	for (let r = 0; r < e.at.length; r++) Bl(t, e.x[r], e.y[r]) && n.push(r);
	return n;
}
function Bl(e, t, n) {
	let r = !1;
	for (let i = 0, a = e.length - 1; i < e.length; a = i++) {
		let [[o, s], [c, l]] = [e[a], e[i]];
		s > n != l > n && t < o + (n - s) / (l - s) * (c - o) && (r = !r);
	}
	return r;
}
function Vl([e, t], n) {
	let r = [
		1,
		2,
		5,
		10,
		20,
		50,
		100
	].find((r) => n / (t - e) * r >= 44) ?? 200, i = [];
	for (let n = Math.ceil(e / r) * r; n <= t; n += r) i.push(n);
	return i;
}
// src/audit/Marks.tsx
function Hl(e, t, n, r) {
	let i = (e) => e.toFixed(1);
	if (e === "spurious") {
		let e = r * Math.sqrt(Math.PI / 2);
		return `M${i(t)} ${i(n - e)}l${i(e)} ${i(e)}l${i(-e)} ${i(e)}l${i(-e)} ${i(-e)}z`;
	}
	if (e === "both") {
		let e = r * Math.sqrt(Math.PI) / 2;
		return `M${i(t - e)} ${i(n - e)}h${i(2 * e)}v${i(2 * e)}h${i(-2 * e)}z`;
	}
	let a = i(r), o = i(2 * Number(a));
	return `M${i(t - Number(a))} ${i(n)}a${a} ${a} 0 1 0 ${o} 0a${a} ${a} 0 1 0 -${o} 0z`;
}
function Ul({ of: e }) {
	return /* @__PURE__ */ K("svg", {
		class: "key",
		viewBox: "0 0 16 16",
		"aria-hidden": "true",
		children: /* @__PURE__ */ K("path", {
			class: `dot ${e}`,
			d: Hl(e, 8, 8, 5)
		})
	});
}
var Wl = {
	good: ["M12 1.5a10.5 10.5 0 1 0 .01 0z", "M6.8 12.4l3.6 3.6l7-7.6"],
	bad: ["M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z", "M8 8l8 8M16 8l-8 8"],
	untold: ["M12 1l11 11l-11 11l-11-11z", "M9.2 9.3a2.8 2.8 0 1 1 4.2 2.5c-1 .6-1.4 1.1-1.4 2.2M12 17.2v.2"]
};
function Gl({ kind: e }) {
	let [t, n] = Wl[e];
	return /* @__PURE__ */ K("svg", {
		class: `sign ${e}`,
		viewBox: "0 0 24 24",
		"aria-hidden": "true",
		children: [/* @__PURE__ */ K("path", {
			class: "plate",
			d: t
		}), /* @__PURE__ */ K("path", {
			class: "stroke",
			d: n
		})]
	});
}
function Kl({ value: e, low: t, high: n, top: r }) {
	let i = (e) => Z((Math.min(Math.max(e, -r), r) / r + 1) / 2), a = [
		e,
		t,
		n
	].map((e) => e.toFixed(2));
	return /* @__PURE__ */ K("svg", {
		class: "interval",
		role: "img",
		"aria-label": `${a[0]}, from ${a[1]} to ${a[2]}`,
		children: [
			/* @__PURE__ */ K("rect", {
				class: "track",
				x: 0,
				y: 5,
				width: "100%",
				height: 14
			}),
			/* @__PURE__ */ K("line", {
				class: "zero",
				x1: "50%",
				x2: "50%",
				y1: 0,
				y2: 24
			}),
			/* @__PURE__ */ K("line", {
				class: "reach effect",
				x1: i(t),
				x2: i(n),
				y1: 12,
				y2: 12
			}),
			/* @__PURE__ */ K("line", {
				class: "value effect",
				x1: i(e),
				x2: i(e),
				y1: 4,
				y2: 20
			})
		]
	});
}
var Z = (e) => `${(100 * e).toFixed(2)}%`, ql = .14, Jl = .45;
function Yl({ shares: e }) {
	let t = 0, n = e.flatMap(({ quadrant: e, relevance: t }) => t ? [{
		quadrant: e,
		relevance: t
	}] : []);
	return /* @__PURE__ */ K("svg", {
		class: "stacked",
		role: "img",
		"aria-label": e.map((e) => `${hi[e.quadrant]} ${Y(e.relevance)}`).join(", "),
		children: [n.map((e) => {
			let n = t;
			return t += e.relevance, /* @__PURE__ */ K("rect", {
				class: `fill ${e.quadrant}`,
				x: Z(n),
				y: "0",
				width: Z(e.relevance),
				height: "34"
			}, e.quadrant);
		}), n.map((e, t) => {
			let r = n.slice(0, t).reduce((e, t) => e + t.relevance, 0);
			return e.relevance < ql ? null : /* @__PURE__ */ K("text", {
				class: e.relevance < Jl ? "narrow" : void 0,
				x: Z(r + e.relevance / 2),
				y: "22",
				children: [
					gi[e.quadrant],
					" ",
					Y(e.relevance, 0)
				]
			}, e.quadrant);
		})]
	});
}
function Xl({ value: e, low: t, high: n, top: r, kind: i, words: a, allowed: o, yours: s = null }) {
	let c = (e) => Math.min(Math.max(e, 0), r) / r, l = o && (o[0] <= 0 ? c(o[1]) : c(o[0])), u = e !== null && t !== null && n !== null;
	return /* @__PURE__ */ K("svg", {
		class: "interval",
		role: "img",
		"aria-label": a,
		children: [
			/* @__PURE__ */ K("rect", {
				class: "rail",
				x: "0",
				y: "5",
				width: "100%",
				height: "14"
			}),
			o && /* @__PURE__ */ K("rect", {
				class: "allowed",
				x: Z(c(o[0])),
				y: "5",
				width: Z(c(o[1]) - c(o[0])),
				height: "14"
			}),
			l !== void 0 && /* @__PURE__ */ K("line", {
				class: "limit",
				x1: Z(l),
				x2: Z(l),
				y1: "0",
				y2: "24"
			}),
			u && /* @__PURE__ */ K("line", {
				class: `reach ${i}`,
				x1: Z(c(t)),
				x2: Z(c(n)),
				y1: "12",
				y2: "12"
			}),
			u && /* @__PURE__ */ K("line", {
				class: `value ${i}`,
				x1: Z(c(e)),
				x2: Z(c(e)),
				y1: "4",
				y2: "20"
			}),
			s !== null && /* @__PURE__ */ K("circle", {
				class: "yours",
				cx: Z(c(s)),
				cy: "12",
				r: "5"
			})
		]
	});
}
function Zl({ relevance: e, against: t, top: n, kind: r }) {
	return /* @__PURE__ */ K("svg", {
		class: "two-bars",
		"aria-hidden": "true",
		children: [[
			r,
			e / (n || 1),
			1
		], [
			"against",
			t / (n || 1),
			10
		]].map(([e, t, n]) => t > .002 && /* @__PURE__ */ K("rect", {
			class: `fill ${e}`,
			x: "0",
			y: n,
			width: Z(Math.min(t, 1)),
			height: "7"
		}, e))
	});
}
function Ql() {
	return /* @__PURE__ */ K("p", {
		class: "legend",
		children: J.map((e) => /* @__PURE__ */ K("span", { children: [
			/* @__PURE__ */ K(Ul, { of: e }),
			" fits ",
			hi[e]
		] }, e))
	});
}
// src/audit/names.ts
var $l = 6.8, eu = 15, tu = 24;
function nu(e, t, n) {
	let r = [...ru(n), ...t.map((t, n) => iu(e, n))];
	return t.map((t, i) => {
		let a = wi(t, tu), o = au(e, i, a.length * $l, n, r);
		r.push(o);
		let [s, c, l] = [
			e.x[i],
			e.y[i],
			e.radius[i]
		], u = [Math.min(Math.max(s, o[0]), o[2]), Math.min(Math.max(c, o[1]), o[3])], d = Math.hypot(u[0] - s, u[1] - c) > l + 5;
		return {
			text: a,
			x: (o[0] + o[2]) / 2,
			y: o[3] - 4,
			lead: d ? [
				s,
				c,
				...u
			] : null
		};
	});
}
function ru({ left: e, right: t, top: n, bottom: r }) {
	return [e, t - 130].flatMap((e) => [n, r - 28].map((t) => [
		e,
		t,
		e + 130,
		t + 28
	]));
}
function iu({ x: e, y: t, radius: n }, r) {
	return [
		e[r] - n[r],
		t[r] - n[r],
		e[r] + n[r],
		t[r] + n[r]
	];
}
function au(e, t, n, r, i) {
	let [a, o, s] = [
		e.x[t],
		e.y[t],
		e.radius[t]
	];
	for (let e of [
		0,
		18,
		36,
		60
	]) for (let t of [
		0,
		-1,
		1,
		-2,
		2
	]) for (let c of [
		a + s + 3 + e,
		a - s - 3 - e - n,
		a - n / 2
	]) {
		if (c === a - n / 2 && t === 0) continue;
		let l = o + t * (s + eu / 2 + 2 + e / 2), u = [
			c,
			l - eu / 2,
			c + n,
			l + eu / 2
		];
		if (u[0] >= r.left && u[2] <= r.right && u[1] >= r.top && u[3] <= r.bottom && !i.some((e) => u[0] < e[2] && e[0] < u[2] && u[1] < e[3] && e[1] < u[3])) return u;
	}
	let c = Math.max(r.left, Math.min(a + s, r.right - n));
	return [
		c,
		o - eu / 2,
		c + n,
		o + eu / 2
	];
}
// src/audit/paint.ts
var ou = .14;
function su({ left: e, right: t, top: n, bottom: r }, { x: i, y: a }) {
	return {
		valid: [
			i,
			a,
			t,
			r
		],
		spurious: [
			e,
			n,
			i,
			a
		],
		both: [
			i,
			n,
			t,
			a
		],
		neither: [
			e,
			a,
			i,
			r
		]
	};
}
function cu(e, t, n, r) {
	let { width: i, height: a } = t.frame, o = window.devicePixelRatio || 1;
	e.width = Math.round(i * o), e.height = Math.round(a * o);
	let s = e.getContext("2d");
	if (!s) return;
	let c = getComputedStyle(e), l = J.map((e) => c.getPropertyValue(`--${e}`).trim()), { x: u, y: d, radius: f, at: p } = t.dots, m = /* @__PURE__ */ new Map();
	for (let e = n; e < Math.min(r, p.length); e++) {
		let [n, r, i] = [
			t.quadrant(e),
			t.kept(e),
			Math.round(f[e] * 4)
		], a = i * 8 + n * 2 + Number(r), c = m.get(a);
		c || m.set(a, c = lu(J[n], i / 4, r ? 1 : ou, l[n], o)), s.drawImage(c, Math.round(u[e] * o - c.width / 2), Math.round(d[e] * o - c.height / 2));
	}
}
function lu(e, t, n, r, i) {
	let a = 2 * Math.ceil((t * 1.3 + 2) * i), o = new OffscreenCanvas(a, a), s = o.getContext("2d");
	s.scale(i, i);
	let c = new Path2D(Hl(e, a / i / 2, a / i / 2, t));
	s.fillStyle = s.strokeStyle = r;
	let l = t < kl + .3;
	return s.globalAlpha = n * (e === "neither" ? l ? .3 : .1 : .5), s.fill(c), l || (s.globalAlpha = n, s.lineWidth = e === "neither" ? 1.5 : 1.2, s.stroke(c)), o.transferToImageBitmap();
}
// src/audit/Scenery.tsx
var uu = (e) => String(e).replace("-", "−");
function du({ frame: e }) {
	let { left: t, right: n, top: r, bottom: i, height: a, width: o } = e, s = o < 560 ? "" : " (standard deviations of chance)";
	return /* @__PURE__ */ K("g", {
		"aria-hidden": "true",
		children: [
			Vl(e.valid, n - t).map((t) => /* @__PURE__ */ K("text", {
				class: "tick",
				x: Ml(e, t),
				y: i + 26,
				"text-anchor": "middle",
				children: uu(t)
			}, `x${t}`)),
			Vl(e.spurious, i - r).map((n) => /* @__PURE__ */ K("text", {
				class: "tick",
				x: t - 17,
				y: Nl(e, n) + 4,
				"text-anchor": "end",
				children: uu(n)
			}, `y${n}`)),
			/* @__PURE__ */ K("text", {
				class: "axis",
				x: (t + n) / 2,
				y: a - 10,
				"text-anchor": "middle",
				children: ["fits VALID concepts →", s]
			}),
			/* @__PURE__ */ K("text", {
				class: "axis",
				"text-anchor": "middle",
				transform: `translate(14 ${(r + i) / 2}) rotate(-90)`,
				children: "fits SPURIOUS concepts →"
			})
		]
	});
}
function fu({ frame: e, edges: t }) {
	return /* @__PURE__ */ K(T, { children: Object.entries(su(e, t)).map(([e, [t, n, r, i]]) => /* @__PURE__ */ K("rect", {
		class: `region ${e}`,
		x: t,
		y: n,
		width: r - t,
		height: i - n
	}, e)) });
}
function pu({ frame: e, edges: t, shares: n }) {
	let r = su(e, t);
	return /* @__PURE__ */ K("g", {
		"aria-hidden": "true",
		children: n.map(({ quadrant: e, relevance: t }) => {
			let [n, i, a, o] = r[e];
			if (a - n < 90 || o - i < 22) return null;
			let s = e === "spurious" || e === "neither", c = e === "spurious" || e === "both";
			return /* @__PURE__ */ K("text", {
				class: `corner ${e}`,
				x: s ? n + 8 : a - 8,
				y: c ? i + 20 : o - 10,
				"text-anchor": s ? "start" : "end",
				children: [
					gi[e],
					" ",
					Y(t, 0)
				]
			}, e);
		})
	});
}
function mu({ names: e }) {
	return /* @__PURE__ */ K("g", {
		"aria-hidden": "true",
		children: [e.map(({ lead: e }, t) => e && /* @__PURE__ */ K("line", {
			class: "lead",
			x1: e[0],
			y1: e[1],
			x2: e[2],
			y2: e[3]
		}, t)), e.map(({ text: e, x: t, y: n }, r) => /* @__PURE__ */ K("text", {
			class: "name",
			x: t,
			y: n,
			"text-anchor": "middle",
			children: e
		}, r))]
	});
}
// src/audit/state.ts
var hu = 500, gu = 250, _u = 400, vu = class {
	store;
	index;
	draft = F(null);
	answer = F(null);
	fault = F("");
	busy = F(null);
	stale;
	moved = F(zi);
	counted;
	settled;
	rest = F(zi);
	at;
	layer;
	written = "";
	levels = JSON.stringify(zi);
	resting;
	timer;
	turn = 0;
	constructor(e, t) {
		this.store = e, this.index = t;
		let n = (t) => e.place.route.value.params.get(t);
		this.stale = I(() => this.draft.value !== null && this.answer.value?.key !== ma(this.draft.value)), this.counted = I(() => this.answer.value ? Ji(this.answer.value.audit, this.moved.value) : null), this.settled = I(() => this.answer.value ? Ji(this.answer.value.audit, this.rest.value) : null), this.at = I(() => {
			let e = new Int32Array(t.count).fill(-1);
			return this.answer.value?.audit.rows.forEach((t, n) => e[t.row] = n), e;
		});
		let r = I(() => n("al") ?? "");
		this.layer = I(() => {
			let e = this.answer.value?.audit.layers ?? [];
			return e.includes(r.value) ? r.value : e.at(-1) ?? "";
		});
	}
	enter() {
		let { place: e } = this.store;
		return !e.route.peek().params.get("spec") && this.draft.peek() && (this.written = "", this.write()), L(() => {
			let { path: t, params: n } = e.route.value;
			if (t[0] !== "audit" || this.store.index.value !== this.index) return;
			let [r, i] = [n.get("spec") ?? "", Su(n)];
			r !== this.written && this.read(r), JSON.stringify(i) !== this.levels && this.settle(i);
		});
	}
	edit(e) {
		let t = this.draft.peek();
		t && (this.draft.value = {
			...t,
			...e
		}), clearTimeout(this.timer), this.timer = setTimeout(() => {
			this.write(), this.ask();
		}, hu);
	}
	begin(e) {
		clearTimeout(this.timer);
		let t = e ? ga(e) : "";
		Je(() => {
			this.draft.value = e, this.written = t, this.store.place.set({
				spec: t || null,
				tv: null,
				ts: null,
				al: null,
				ac: null,
				pin: null
			});
		}), this.ask();
	}
	move(e) {
		let t = {
			...this.moved.peek(),
			...e
		};
		this.moved.value = t, clearTimeout(this.resting), this.resting = setTimeout(() => {
			this.settle(t), this.store.place.route.peek().path[0] === "audit" && this.store.place.set({
				tv: t.valid,
				ts: t.spurious
			}, !0);
		}, gu);
	}
	quadrant(e) {
		return J[this.counted.value.quadrant[e]];
	}
	critical(e) {
		return this.answer.value?.audit.critical.find((e) => e.layer === this.layer.value)?.[e] ?? Infinity;
	}
	read(e) {
		this.written = e;
		let t = e ? _a(e) : null;
		e && !t && (this.store.told.value = "The address holds a spec that cannot be read."), this.draft.value = t, this.ask();
	}
	write() {
		let e = this.draft.peek();
		this.store.place.route.peek().path[0] === "audit" && (this.written = e ? ga(e) : "", this.store.place.set({ spec: this.written || null }, !0));
	}
	settle(e) {
		clearTimeout(this.resting), this.levels = JSON.stringify(e), Je(() => this.rest.value = this.moved.value = e);
	}
	async ask() {
		let e = this.draft.peek(), t = ++this.turn, n = (e) => Je(() => {
			this.fault.value = e, this.busy.value = null;
		});
		if (!e || !this.store.session.can.audit) return n("");
		let r = ma(e);
		if (ha(e) || this.answer.peek()?.key === r) return n("");
		for (this.busy.value = { job: null }; t === this.turn;) try {
			let i = R(await this.store.transport.post(this.index.at("audit"), JSON.stringify({ spec: fa(e) })));
			return t === this.turn ? (this.answer.value = {
				audit: i,
				draft: e,
				key: r
			}, Ea(this.index, fa(e), i), n("")) : void 0;
		} catch (e) {
			if (t !== this.turn) return;
			if (!(e instanceof Ft)) return n(e instanceof Error ? e.message : String(e));
			this.busy.value = { job: e.job }, await new Promise((e) => setTimeout(e, _u));
		}
	}
}, yu = /* @__PURE__ */ new WeakMap();
function bu(e, t) {
	let n = yu.get(t) ?? new vu(e, t);
	return yu.set(t, n), n;
}
function xu(e, t, n) {
	return e.annotation(t.row)?.label || t.label || e.names.get(t.row) || (n === "neither" ? t.component : n === "valid" ? t.valid_concept : t.spurious_concept);
}
function Su(e) {
	let t = (t) => e.get(t) && Number.isFinite(Number(e.get(t))) ? Number(e.get(t)) : null;
	return {
		valid: t("tv"),
		spurious: t("ts")
	};
}
// src/audit/Threshold.tsx
var Cu = .1, wu = 1, Tu = (e) => Math.round(e * 100) / 100;
function Eu({ state: e, side: t, frame: n }) {
	let r = e.critical(t), i = e.moved.value[t], a = i ?? r, [o, s] = n[t].map(Tu), c = (n) => e.move({ [t]: Tu(Math.min(Math.max(n, o), s)) }), l = Pl(n, t, a), u = t === "valid", d = u ? {
		x1: l,
		x2: l,
		y1: n.top,
		y2: n.bottom
	} : {
		x1: n.left,
		x2: n.right,
		y1: l,
		y2: l
	}, f = Pl(n, t, r), p = (e) => {
		let r = e.currentTarget;
		if (!r.hasPointerCapture(e.pointerId)) return;
		let i = r.ownerSVGElement.getBoundingClientRect();
		c(Fl(n, t, e.clientX - i.left, e.clientY - i.top));
	}, m = (n) => {
		let r = Ou(n.key, Number.isFinite(a) ? a : s, o, s, n.shiftKey);
		r !== void 0 && (n.preventDefault(), n.stopPropagation(), r === null ? e.move({ [t]: null }) : c(r));
	};
	return /* @__PURE__ */ K("g", {
		class: `threshold-of ${t}`,
		children: [
			i !== null && /* @__PURE__ */ K("line", {
				class: "chance-line",
				...u ? {
					x1: f,
					x2: f,
					y1: n.top,
					y2: n.bottom
				} : {
					x1: n.left,
					x2: n.right,
					y1: f,
					y2: f
				}
			}),
			/* @__PURE__ */ K("line", {
				class: `threshold ${i === null ? "" : "moved"}`,
				...d
			}),
			/* @__PURE__ */ K("g", {
				class: "grip",
				role: "slider",
				tabindex: 0,
				"aria-label": `Threshold for ${t} concepts`,
				"aria-orientation": u ? "horizontal" : "vertical",
				"aria-valuemin": o,
				"aria-valuemax": s,
				"aria-valuenow": Tu(Math.min(a, s)),
				"aria-valuetext": `${Number.isFinite(a) ? `${yi(a)} standard deviations` : "no alignment is enough"}, ${i === null ? "from chance" : "yours"}`,
				onPointerDown: (e) => {
					e.stopPropagation(), e.currentTarget.setPointerCapture(e.pointerId);
				},
				onPointerMove: p,
				onPointerUp: (e) => e.stopPropagation(),
				onDblClick: () => e.move({ [t]: null }),
				onKeyDown: m,
				children: [
					/* @__PURE__ */ K("title", { children: "Drag, or use the arrow keys; Delete: back to chance" }),
					/* @__PURE__ */ K("line", {
						class: "reach",
						...d
					}),
					/* @__PURE__ */ K("path", { d: u ? `M${l} ${n.bottom - 2}l8 9v5h-16v-5z` : `M${n.left + 2} ${l}l-9 8h-5v-16h5z` })
				]
			}),
			/* @__PURE__ */ K(Du, {
				side: t,
				frame: n,
				value: a,
				yours: i !== null
			})
		]
	});
}
function Du({ side: e, frame: t, value: n, yours: r }) {
	let i = Pl(t, e, n);
	return /* @__PURE__ */ K("text", {
		class: "needs",
		"aria-hidden": "true",
		...e === "valid" ? {
			x: i,
			y: t.top - 6,
			"text-anchor": "middle"
		} : {
			x: t.right - 4,
			y: i - 5,
			"text-anchor": "end"
		},
		children: [
			r ? "yours" : "chance",
			" ",
			yi(n)
		]
	});
}
function Ou(e, t, n, r, i) {
	let a = i ? wu : Cu;
	return e === "ArrowRight" || e === "ArrowUp" ? t + a : e === "ArrowLeft" || e === "ArrowDown" ? t - a : e === "PageUp" ? t + wu : e === "PageDown" ? t - wu : e === "Home" ? n : e === "End" ? r : e === "Delete" || e === "Backspace" ? null : void 0;
}
// src/audit/ChartPicture.tsx
var ku = 1500, Au = 10;
async function ju(e, t, n, r, i, a) {
	let o = e.appendChild(document.createElement("div"));
	o.className = "off-screen";
	try {
		xe(/* @__PURE__ */ K(Mu, {
			state: t,
			frame: n,
			dots: r
		}), o), await vn(o.querySelector("svg"), i, a);
	} finally {
		xe(null, o), o.remove();
	}
}
function Mu({ state: e, frame: t, dots: n }) {
	let r = e.counted.value, i = (t) => r.moved[t] ?? e.critical(t), a = {
		x: Pl(t, "valid", i("valid")),
		y: Pl(t, "spurious", i("spurious"))
	}, o = (t) => Hl(e.quadrant(n.at[t]), n.x[t], n.y[t], n.radius[t]), s = [...n.at.keys()], c = s.slice(0, Au).map((t) => xu(e.index, r.audit.rows[n.at[t]], e.quadrant(n.at[t]))), l = s.slice(ku);
	return /* @__PURE__ */ K("svg", {
		class: "scatter",
		viewBox: `0 0 ${t.width} ${t.height}`,
		width: t.width,
		height: t.height,
		children: [
			/* @__PURE__ */ K(fu, {
				frame: t,
				edges: a
			}),
			J.map((t) => /* @__PURE__ */ K("path", {
				class: `dot ${t}`,
				d: l.filter((r) => e.quadrant(n.at[r]) === t).map(o).join("")
			}, t)),
			s.slice(0, ku).map((t) => /* @__PURE__ */ K("path", {
				class: `dot ${e.quadrant(n.at[t])}`,
				d: o(t),
				children: /* @__PURE__ */ K("title", { children: r.audit.rows[n.at[t]].component })
			}, t)),
			/* @__PURE__ */ K(du, { frame: t }),
			/* @__PURE__ */ K(pu, {
				frame: t,
				edges: a,
				shares: r.shares.filter((t) => t.layer === e.layer.value)
			}),
			/* @__PURE__ */ K("line", {
				class: "threshold",
				x1: a.x,
				x2: a.x,
				y1: t.top,
				y2: t.bottom
			}),
			/* @__PURE__ */ K("line", {
				class: "threshold",
				x1: t.left,
				x2: t.right,
				y1: a.y,
				y2: a.y
			}),
			aa.map((e) => /* @__PURE__ */ K(Du, {
				side: e,
				frame: t,
				value: i(e),
				yours: r.moved[e] !== null
			}, e)),
			/* @__PURE__ */ K(mu, { names: nu(n, c, t) })
		]
	});
}
// src/ui/theme.ts
var Nu = [
	"system",
	"light",
	"dark"
], Pu = "semlens-theme";
function Fu() {
	try {
		let e = localStorage.getItem(Pu);
		return Nu.includes(e) ? e : "system";
	} catch {
		return "system";
	}
}
var Iu = F(Fu());
function Lu(e) {
	Iu.value = e;
	try {
		localStorage.setItem(Pu, e);
	} catch {}
}
function Ru(e, t) {
	t === "system" ? delete e.dataset.theme : e.dataset.theme = t;
}
// src/audit/Facts.tsx
function zu({ row: e, quadrant: t, moved: n, top: r }) {
	return /* @__PURE__ */ K("dl", {
		class: "told-of",
		children: [
			(t === "valid" ? ["valid", "spurious"] : ["spurious", "valid"]).map((t) => /* @__PURE__ */ K(Bu, {
				row: e,
				side: t,
				moved: n
			}, t)),
			/* @__PURE__ */ K("div", { children: [/* @__PURE__ */ K("dt", { children: "Relevance" }), /* @__PURE__ */ K("dd", { children: [
				Y(e.relevance),
				" for, ",
				Y(e.against),
				" against",
				/* @__PURE__ */ K(Zl, {
					relevance: e.relevance,
					against: e.against,
					top: r,
					kind: t
				})
			] })] }),
			/* @__PURE__ */ K("div", { children: [/* @__PURE__ */ K("dt", { children: "Also for" }), /* @__PURE__ */ K("dd", { children: e.affected.length ? e.affected.map((e, t) => [t > 0 && ", ", /* @__PURE__ */ K("bdi", { children: e }, e)]) : "no other output" })] })
		]
	});
}
function Bu({ row: e, side: t, moved: n }) {
	let r = Vi(e, t, n), i = /* @__PURE__ */ K("bdi", { children: e[`${t}_concept`] });
	return /* @__PURE__ */ K("div", { children: [/* @__PURE__ */ K("dt", { children: t === "valid" ? "Valid" : "Spurious" }), /* @__PURE__ */ K("dd", {
		title: "Alignment, in standard deviations of chance; p: how often chance fits some concept of the side as well",
		children: [
			e[t] > r ? /* @__PURE__ */ K("strong", { children: i }) : /* @__PURE__ */ K(T, { children: ["nearest: ", i] }),
			", ",
			yi(e[t]),
			" (",
			bi(r),
			"), ",
			xi(e[`${t}_p`])
		]
	})] });
}
function Vu(e, t, n) {
	return [
		e === t.component ? e : `${e}, ${t.component}`,
		`fits ${hi[n]}`,
		`spurious: ${t.spurious_concept}, ${yi(t.spurious)} (${xi(t.spurious_p)})`,
		`valid: ${t.valid_concept}, ${yi(t.valid)} (${xi(t.valid_p)})`,
		`relevance: ${Y(t.relevance)} for, ${Y(t.against)} against`
	].join("; ");
}
// src/audit/Judge.tsx
var Hu = [
	{
		tag: "valid",
		key: "1"
	},
	{
		tag: "spurious",
		key: "2"
	},
	{
		tag: "unsure",
		key: "3"
	}
];
async function Uu(e, t, n, r) {
	try {
		await t.annotate({
			row: n,
			tag: t.tag(n) === r ? null : r
		});
	} catch (t) {
		e.told.value = t instanceof Error ? t.message : String(t);
	}
}
async function Wu(e, t) {
	let n = t.annotations.peek().undo;
	if (n) try {
		await t.undo(), e.told.value = `Undone: ${n}`;
	} catch (t) {
		e.told.value = t instanceof Error ? t.message : String(t);
	}
}
function Gu({ index: e, row: t, of: n }) {
	let r = B();
	if (!r.session.can.annotate) return null;
	let i = e.tag(t);
	return /* @__PURE__ */ K("div", {
		class: "judge",
		role: "group",
		"aria-label": `Your judgement of ${n}`,
		children: Hu.map(({ tag: n, key: a }) => /* @__PURE__ */ K("button", {
			type: "button",
			class: n,
			"aria-pressed": i === n,
			title: `${n} (key ${a})`,
			onClick: () => void Uu(r, e, t, n),
			children: [
				/* @__PURE__ */ K("kbd", {
					"aria-hidden": "true",
					children: a
				}),
				" ",
				n
			]
		}, n))
	});
}
// src/audit/Preview.tsx
var Ku = 264, qu = 300, Ju = 370;
function Yu({ state: e, index: t, at: n, x: r, y: i, frame: a, unpin: o }) {
	let s = B(), { audit: c, moved: l } = e.counted.value, u = c.rows[n], d = e.quadrant(n), f = r + Ku + 20 < a.width ? r + 16 : Math.max(2, r - Ku - 16), p = Math.max(0, Math.min(i - qu / 2, a.height - (o ? Ju : qu))), m = xu(t, u, d);
	return /* @__PURE__ */ K("div", {
		class: `preview ${o ? "pinned" : ""}`,
		style: {
			left: `${Math.min(f, Math.max(2, a.width - Ku - 2))}px`,
			top: `${p}px`
		},
		children: [
			/* @__PURE__ */ K("p", {
				class: "name",
				children: [
					/* @__PURE__ */ K(Ul, { of: d }),
					" ",
					/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: m }) }),
					" ",
					m !== u.component && /* @__PURE__ */ K("code", { children: u.component }),
					o && /* @__PURE__ */ K("button", {
						type: "button",
						"aria-label": "Close the preview",
						onClick: o,
						children: "×"
					})
				]
			}),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: ["fits ", hi[d]]
			}),
			/* @__PURE__ */ K(Br, {
				index: t,
				row: u.row,
				count: 4
			}),
			/* @__PURE__ */ K(zu, {
				row: u,
				quadrant: d,
				moved: l,
				top: Math.max(u.relevance, u.against)
			}),
			o && /* @__PURE__ */ K(Gu, {
				index: t,
				row: u.row,
				of: m
			}),
			o && /* @__PURE__ */ K("a", {
				href: Ln(s, t, u.row),
				children: "Open the component"
			})
		]
	});
}
// src/audit/usePointer.ts
var Xu = 4;
function Zu({ dots: e, tool: t, point: n, click: r, select: i }) {
	let a = St([]), o = j(null), s = (e) => {
		let t = e.currentTarget.getBoundingClientRect();
		return [e.clientX - t.left, e.clientY - t.top];
	}, c = (e) => {
		e.button === 0 && (o.current = s(e), e.pointerType !== "touch" && e.currentTarget.setPointerCapture(e.pointerId));
	}, l = (r) => {
		let i = s(r), c = o.current;
		if (!c || r.pointerType === "touch") return n(Rl(e, ...i));
		let l = a.peek();
		!l.length && Math.hypot(i[0] - c[0], i[1] - c[1]) < Xu || (n(-1), a.value = t === "lasso" ? [...l.length ? l : [c], i] : [
			c,
			[i[0], c[1]],
			i,
			[c[0], i[1]]
		]);
	}, u = () => {
		o.current = null, a.value = [];
	};
	return {
		line: a.value,
		onPointerDown: c,
		onPointerMove: l,
		onPointerUp: (t) => {
			if (!o.current) return;
			let n = a.peek();
			u(), n.length ? i(zl(e, n), t) : r(Rl(e, ...s(t)));
		},
		onPointerCancel: u,
		onPointerLeave: () => n(-1)
	};
}
// src/audit/Overlay.tsx
function Qu({ state: e, frame: t, dots: n, tool: r, label: i, children: a }) {
	let o = B(), { index: s } = e, { rows: c } = e.counted.value.audit, l = St(-1), u = St(0), d = (e) => c[n.at[e]], f = Ct(() => o.place.route.value.params.get("pin")).value, p = f === null ? -1 : n.at.findIndex((e) => c[e].component === f), m = (e) => o.place.set({ pin: e < 0 || e === p ? null : d(e).component }, !0), h = (e) => {
		l.peek() !== e && (l.value = e, o.pointed.value = e < 0 ? null : {
			index: s.number,
			row: d(e).row
		});
	}, { line: g, ..._ } = Zu({
		dots: n,
		tool: r,
		point: h,
		click: (e) => {
			m(e), e >= 0 && (u.value = e);
		},
		select: (e, t) => v(e.map((e) => d(e).row), t)
	}), v = (e, t) => {
		let n = Array.from(o.selection.peek() ?? []), r = t.shiftKey ? [.../* @__PURE__ */ new Set([...n, ...e])] : t.altKey ? n.filter((t) => !e.includes(t)) : e;
		o.select(r.length ? r : null);
	}, y = (e) => {
		let t = {
			ArrowRight: 1,
			ArrowDown: 1,
			ArrowLeft: -1,
			ArrowUp: -1,
			Home: -n.at.length
		}[e.key];
		if (e.key === "Escape") m(-1);
		else if (e.key === "Enter" || e.key === " ") m(u.peek());
		else if (t) u.value = Math.min(Math.max(u.peek() + t, 0), n.at.length - 1);
		else return;
		e.preventDefault(), e.stopPropagation(), h(u.peek());
	}, b = Ct(() => {
		let t = o.pointed.value;
		return t && t.index === s.number ? e.at.value[t.row] : -1;
	}).value, x = l.value >= 0 ? l.value : b < 0 ? -1 : n.at.indexOf(b), S = l.value >= 0 ? l.value : p, C = Math.min(u.value, n.at.length - 1), w = (t) => Hl(e.quadrant(n.at[t]), n.x[t], n.y[t], n.radius[t] + 2.5), ee = (t) => Vu(xu(s, d(t), e.quadrant(n.at[t])), d(t), e.quadrant(n.at[t]));
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("svg", {
		class: "scatter",
		width: t.width,
		height: t.height,
		role: "group",
		"aria-label": i,
		..._,
		children: [
			a,
			g.length > 0 && /* @__PURE__ */ K("polygon", {
				class: "drawn",
				points: g.map((e) => e.join(",")).join(" ")
			}),
			p >= 0 && /* @__PURE__ */ K("path", {
				class: "ring pinned",
				d: w(p)
			}),
			x >= 0 && /* @__PURE__ */ K("path", {
				class: "ring",
				d: w(x)
			}),
			C >= 0 && /* @__PURE__ */ K("path", {
				class: "cursor",
				d: w(C),
				role: "button",
				tabindex: 0,
				"aria-pressed": C === p,
				"aria-label": `Mark ${C + 1} of ${n.at.length}: ${ee(C)}`,
				onFocus: () => h(u.peek()),
				onBlur: () => h(-1),
				onKeyDown: y
			})
		]
	}), S >= 0 && /* @__PURE__ */ K(Yu, {
		state: e,
		index: s,
		at: n.at[S],
		x: n.x[S],
		y: n.y[S],
		frame: t,
		unpin: S === p ? () => m(-1) : null
	})] });
}
// src/audit/useDark.ts
function $u() {
	let e = matchMedia("(prefers-color-scheme: dark)"), [t, n] = O(e.matches);
	return k(() => {
		let t = () => n(e.matches);
		return e.addEventListener("change", t), () => e.removeEventListener("change", t);
	}, []), t;
}
// src/audit/Plot.tsx
var ed = 1500, td = 10, nd = 480;
function rd({ state: e, frame: t, dots: n, tool: r }) {
	let i = B(), [a, o] = [j(null), j(null)], { audit: s, quadrant: c, moved: l, shares: u } = e.counted.value, d = e.settled.value.quadrant, f = i.kept.value, p = (n) => Pl(t, n, l[n] ?? e.critical(n)), m = {
		x: p("valid"),
		y: p("spurious")
	}, h = (e) => f[s.rows[n.at[e]].row] === 1, g = $u(), _ = (e) => ({
		frame: t,
		dots: n,
		quadrant: (t) => e[n.at[t]],
		kept: h
	});
	A(() => cu(a.current, _(c), 0, ed), [
		t,
		n,
		c,
		f,
		g,
		Iu.value
	]), A(() => cu(o.current, _(d), ed, Infinity), [
		t,
		n,
		d,
		f,
		g,
		Iu.value
	]);
	let v = e.layer.value;
	return /* @__PURE__ */ K("div", {
		class: "plot",
		style: { height: `${t.height}px` },
		children: [
			/* @__PURE__ */ K("svg", {
				class: "scatter regions",
				width: t.width,
				height: t.height,
				"aria-hidden": "true",
				children: /* @__PURE__ */ K(fu, {
					frame: t,
					edges: m
				})
			}),
			[o, a].map((e, n) => /* @__PURE__ */ K("canvas", {
				ref: e,
				style: {
					width: `${t.width}px`,
					height: `${t.height}px`
				},
				"aria-hidden": "true"
			}, n)),
			/* @__PURE__ */ K(Qu, {
				state: e,
				frame: t,
				dots: n,
				tool: r,
				label: `Quadrant chart of ${v}: ${Si(n.at.length, "component")}`,
				children: [
					/* @__PURE__ */ K(du, { frame: t }),
					/* @__PURE__ */ K(pu, {
						frame: t,
						edges: m,
						shares: u.filter((e) => e.layer === v)
					}),
					/* @__PURE__ */ K(mu, { names: id(e, n, t, f) }),
					/* @__PURE__ */ K(Eu, {
						state: e,
						side: "valid",
						frame: t
					}),
					/* @__PURE__ */ K(Eu, {
						state: e,
						side: "spurious",
						frame: t
					})
				]
			})
		]
	});
}
function id(e, t, n, r) {
	let i = e.settled.value, a = e.index.annotations.value;
	return M(() => {
		let { rows: i } = e.counted.peek().audit, a = n.width < nd ? td / 2 : td, o = [];
		for (let e = 0; e < t.at.length && o.length < a; e++) r[i[t.at[e]].row] && o.push(e);
		let s = o.map((n) => xu(e.index, i[t.at[n]], e.quadrant(t.at[n])));
		return nu(Ll(t, o), s, n);
	}, [
		t,
		n,
		r,
		i,
		a
	]);
}
// src/audit/useWidth.ts
function ad(e) {
	let [t, n] = O(0);
	return A(() => {
		let t = () => n(Math.floor(e.current.clientWidth)), r = new ResizeObserver(t);
		return r.observe(e.current), t(), () => r.disconnect();
	}, []), t;
}
// src/audit/Chart.tsx
function od({ state: e }) {
	let t = B(), { audit: n } = e.answer.value, r = e.layer.value, i = j(null), a = ad(i), [o, s] = O("box"), c = M(() => Gi(n, r), [n, r]), l = {
		valid: e.critical("valid"),
		spurious: e.critical("spurious")
	}, u = M(() => jl(n, c, l, a), [
		n,
		c,
		a
	]), d = M(() => Il(n, c, u), [
		n,
		c,
		u
	]), f = c.length ? n.rows[c[0]].relevance : 0, p = e.moved.value;
	return /* @__PURE__ */ K("section", {
		class: "quadrants",
		"aria-label": "Quadrant chart",
		children: [
			/* @__PURE__ */ K("h3", { children: "Every component, held against both sides" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: "A mark is a component (a part of the layer that can be looked at by itself); the larger, the more relevant. Up: it fits something that must not matter. Right: it fits something that may. The dashed lines are what chance reaches; drag them to ask “what if”. Point at a mark to see what excites it."
			}),
			/* @__PURE__ */ K(Ql, {}),
			/* @__PURE__ */ K("div", {
				class: "tools",
				children: [
					n.layers.length > 1 && /* @__PURE__ */ K("label", { children: [
						"Layer",
						" ",
						/* @__PURE__ */ K("select", {
							"aria-label": "Layer",
							value: r,
							onChange: (e) => t.place.set({ al: e.currentTarget.value }),
							children: n.layers.map((e) => /* @__PURE__ */ K("option", { children: e }, e))
						})
					] }),
					/* @__PURE__ */ K("span", {
						class: "choice-of",
						role: "group",
						"aria-label": "Select by dragging",
						children: [/* @__PURE__ */ K("span", {
							"aria-hidden": "true",
							children: "Drag selects by"
						}), ["box", "lasso"].map((e) => /* @__PURE__ */ K("button", {
							type: "button",
							"aria-pressed": o === e,
							title: "Shift adds to the selection, Alt takes away",
							onClick: () => s(e),
							children: e
						}, e))]
					}),
					t.selection.value && /* @__PURE__ */ K("button", {
						type: "button",
						onClick: () => t.select(null),
						children: [
							"Clear the selection (",
							t.selection.value.length.toLocaleString("en-GB"),
							")"
						]
					}),
					/* @__PURE__ */ K(Tl, {
						what: "the chart",
						kinds: ["svg", "png"],
						save: (t) => ju(i.current, e, u, d, `${xa(n.output)}-${r}-quadrants`, t)
					})
				]
			}),
			/* @__PURE__ */ K("div", {
				class: "place",
				ref: i,
				style: { minHeight: `${u.height}px` },
				children: a > 0 && /* @__PURE__ */ K(rd, {
					state: e,
					frame: u,
					dots: d,
					tool: o
				})
			}),
			/* @__PURE__ */ K("p", {
				class: "thresholds",
				role: "status",
				children: [
					/* @__PURE__ */ K("span", { children: [
						"Needed to fit: valid ",
						yi(p.valid ?? l.valid),
						", spurious ",
						yi(p.spurious ?? l.spurious),
						" ",
						Bi(p) ? `– your thresholds, the same for every component. ${sd(e.counted.value)}` : "– chance's; components with fewer examples need more."
					] }),
					" ",
					/* @__PURE__ */ K("button", {
						type: "button",
						disabled: !Bi(p),
						onClick: () => e.move({
							valid: null,
							spurious: null
						}),
						children: "Back to chance"
					})
				]
			}),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					/* @__PURE__ */ K("bdi", { children: r }),
					", ",
					Si(c.length, "component"),
					"; the largest mark is ",
					Y(f),
					" of what speaks for the output.",
					!Number.isFinite(l.valid + l.spurious) && " A threshold at the edge of the chart: no alignment would exceed chance surely enough."
				]
			})
		]
	});
}
function sd(e) {
	let t = e.audit.verdicts.map((e) => Mi(e.requirement)).filter((e) => e !== null);
	return t.length ? `By them ${t.filter((t) => ta(e, t).met).length} of ${Si(t.length, "requirement")} would be met; the verdicts above hold for chance's only.` : "";
}
// src/audit/ConceptTable.tsx
var cd = (e, t) => `${e}:${t}`;
function ld({ state: e }) {
	let t = e.counted.value, { place: n } = B(), r = n.route.value.params.get("ac"), i = t.concepts.filter((e) => e.components), a = t.concepts.filter((e) => !e.components), o = i.reduce((e, t) => Math.max(e, t.relevance, t.against), 0), s = t.audit.layers.length > 1;
	return /* @__PURE__ */ K("section", {
		class: "concepts",
		"aria-label": "Concepts",
		children: [
			/* @__PURE__ */ K("h3", { children: "Concepts" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"For: the part of what speaks for “",
					/* @__PURE__ */ K("bdi", { children: t.audit.output }),
					"” that goes through the components that fit a concept best of its side. Against: what the same components speak against it, in the same unit. A component that fits both sides counts on both. Choose a concept to see only its components below."
				]
			}),
			i.length > 0 && /* @__PURE__ */ K("div", {
				class: "wide",
				tabIndex: 0,
				role: "region",
				"aria-label": "Table of concepts",
				children: /* @__PURE__ */ K("table", { children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
					/* @__PURE__ */ K("th", {
						scope: "col",
						children: "concept"
					}),
					/* @__PURE__ */ K("th", {
						scope: "col",
						children: "side"
					}),
					s && /* @__PURE__ */ K("th", {
						scope: "col",
						children: "layer"
					}),
					/* @__PURE__ */ K("th", {
						scope: "col",
						class: "n",
						children: "components"
					}),
					/* @__PURE__ */ K("th", {
						scope: "col",
						class: "n",
						children: "for"
					}),
					/* @__PURE__ */ K("th", {
						scope: "col",
						class: "n",
						children: "against"
					}),
					/* @__PURE__ */ K("td", {})
				] }) }), /* @__PURE__ */ K("tbody", { children: i.map((e) => /* @__PURE__ */ K(ud, {
					one: e,
					top: o,
					several: s,
					chosen: r
				}, JSON.stringify([
					e.layer,
					e.side,
					e.concept
				]))) })] })
			}),
			a.length > 0 && /* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"Fitted by no component:",
					" ",
					a.map((e, t) => /* @__PURE__ */ K("span", { children: [
						t > 0 && "; ",
						/* @__PURE__ */ K("bdi", { children: e.concept }),
						" (",
						e.side,
						s && `, ${e.layer}`,
						")"
					] }, t)),
					"."
				]
			})
		]
	});
}
function ud({ one: e, top: t, several: n, chosen: r }) {
	let { place: i } = B(), a = cd(e.side, e.concept);
	return /* @__PURE__ */ K("tr", {
		class: a === r ? "chosen" : void 0,
		children: [
			/* @__PURE__ */ K("th", {
				scope: "row",
				children: /* @__PURE__ */ K("button", {
					type: "button",
					class: "link",
					"aria-pressed": a === r,
					onClick: () => i.set({
						ac: a === r ? null : a,
						list: e.side === "valid" ? "right" : null
					}),
					children: /* @__PURE__ */ K("bdi", { children: e.concept })
				})
			}),
			/* @__PURE__ */ K("td", { children: [
				/* @__PURE__ */ K(Ul, { of: e.side }),
				" ",
				e.side
			] }),
			n && /* @__PURE__ */ K("td", { children: /* @__PURE__ */ K("bdi", { children: e.layer }) }),
			/* @__PURE__ */ K("td", {
				class: "n",
				children: e.components.toLocaleString("en-GB")
			}),
			/* @__PURE__ */ K("td", {
				class: "n",
				children: Y(e.relevance)
			}),
			/* @__PURE__ */ K("td", {
				class: "n",
				children: Y(e.against)
			}),
			/* @__PURE__ */ K("td", {
				class: "drawn-in",
				children: /* @__PURE__ */ K(Zl, {
					relevance: e.relevance,
					against: e.against,
					top: t,
					kind: e.side
				})
			})
		]
	});
}
// src/ui/Menu.tsx
function dd({ name: e, value: t, children: n }) {
	let [r, i] = O(!1), a = j(null), o = j(null);
	return k(() => {
		if (!r) return;
		let e = (e) => !a.current?.contains(e.target) && i(!1);
		return document.addEventListener("pointerdown", e), document.addEventListener("focusin", e), () => {
			document.removeEventListener("pointerdown", e), document.removeEventListener("focusin", e);
		};
	}, [r]), /* @__PURE__ */ K("div", {
		class: "menu",
		ref: a,
		onKeyDown: (e) => {
			e.key === "Escape" && r && (e.stopPropagation(), i(!1), o.current?.focus());
		},
		children: [/* @__PURE__ */ K("button", {
			ref: o,
			type: "button",
			class: "button",
			"aria-expanded": r,
			onClick: () => i(!r),
			children: [
				/* @__PURE__ */ K("span", {
					class: "soft",
					children: e
				}),
				" ",
				t,
				/* @__PURE__ */ K(q, { name: "down" })
			]
		}), r && /* @__PURE__ */ K("div", {
			class: "menu-panel",
			children: n
		})]
	});
}
// src/audit/Export.tsx
function fd({ state: e }) {
	let t = B(), [n, r] = O(""), { index: i } = e, a = e.answer.value, o = xa(a.draft.title || a.audit.output), s = async (e, n) => {
		r(e);
		try {
			await n(), t.told.value = `Saved: ${e}`;
		} catch (e) {
			t.told.value = e instanceof Error ? e.message : String(e);
		}
		r("");
	}, { transport: c } = t, l = fa(a.draft), u = (n) => dn(`${o}-components`, ja(i, e.counted.peek(), [...a.audit.rows.keys()]), n, t), d = [
		{
			name: "Report",
			says: "one HTML page with pictures, for whoever signs off",
			live: !0,
			make: async () => un(`${o}.html`, await Aa(c, i, l))
		},
		{
			name: "Spec",
			says: "YAML, to run again",
			live: !0,
			make: async () => un(`${o}.yaml`, await ka(c, l))
		},
		{
			name: "Spec with verdicts and tags",
			says: "YAML; verdicts and judgements as remarks",
			live: !0,
			make: async () => un(`${o}-judged.yaml`, await ka(c, l, Ma(i, a.audit)))
		},
		{
			name: "All components, CSV",
			says: "with your thresholds and tags",
			live: !1,
			make: () => u("csv")
		},
		{
			name: "All components, JSON",
			says: "the same",
			live: !1,
			make: () => u("json")
		},
		...t.session.can.parquet ? [{
			name: "All components, Parquet",
			says: "the same",
			live: !0,
			make: () => u("parquet")
		}] : []
	];
	return /* @__PURE__ */ K(dd, {
		name: "Save",
		value: n ? `${n}…` : "the result",
		children: /* @__PURE__ */ K("ul", {
			class: "exports",
			children: d.filter((e) => t.session.can.audit || !e.live).map((e) => /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("button", {
				type: "button",
				"aria-disabled": n !== "",
				onClick: () => n || void s(e.name, e.make),
				children: [/* @__PURE__ */ K("strong", { children: e.name }), /* @__PURE__ */ K("span", {
					class: "hint",
					children: e.says
				})]
			}) }, e.name))
		})
	});
}
// src/audit/AuditCard.tsx
function pd({ state: e, counted: t, at: n, top: r, current: i, place: a, enter: o }) {
	let s = B(), { index: c } = e, l = t.audit.rows[n], u = J[t.quadrant[n]], d = c.tag(l.row), f = xu(c, l, u), p = Ct(() => s.pointed.value?.row === l.row && s.pointed.value.index === c.number ? "lit" : ""), m = (e) => s.pointed.value = e ? {
		index: c.number,
		row: l.row
	} : null;
	return /* @__PURE__ */ K("article", {
		ref: a,
		class: `finding ${u} ${p.value} ${d ? "is-judged" : ""}`,
		tabIndex: i ? 0 : -1,
		"aria-label": `${f}, ${l.component}${d ? `, judged ${d}` : ""}`,
		onFocus: () => (o(), m(!0)),
		onBlur: () => m(!1),
		onPointerEnter: () => m(!0),
		onPointerLeave: () => m(!1),
		children: [
			/* @__PURE__ */ K("h4", { children: [
				/* @__PURE__ */ K(Ul, { of: u }),
				" ",
				/* @__PURE__ */ K("a", {
					href: Ln(s, c, l.row),
					children: /* @__PURE__ */ K("bdi", { children: f })
				}),
				" ",
				f !== l.component && /* @__PURE__ */ K("code", { children: l.component }),
				d && /* @__PURE__ */ K("span", {
					class: `tag ${d}`,
					children: d
				})
			] }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"fits ",
					hi[u],
					!l.label && " · no label"
				]
			}),
			/* @__PURE__ */ K(Br, {
				index: c,
				row: l.row,
				count: 4
			}),
			/* @__PURE__ */ K(zu, {
				row: l,
				quadrant: u,
				moved: t.moved,
				top: r
			}),
			/* @__PURE__ */ K(Gu, {
				index: c,
				row: l.row,
				of: f
			})
		]
	});
}
// src/audit/lists.ts
var md = [
	{
		list: "offenders",
		name: "What should not matter",
		says: "They fit a spurious concept, and better than any valid one. The most relevant first."
	},
	{
		list: "right",
		name: "What is right",
		says: "They fit valid concepts only. The most relevant first."
	},
	{
		list: "neither",
		name: "Fits neither",
		says: "They fit no concept of the spec more than chance does: neither cleared nor accused. Look at the pictures; if they show something, add it to the spec."
	},
	{
		list: "both",
		name: "Fits both",
		says: "They fit a valid concept and a spurious one. The most relevant first."
	}
];
function hd(e, t) {
	let { rows: n } = e.audit, r = [];
	for (let i = 0; i < n.length; i++) {
		let n = J[e.quadrant[i]];
		(t === "offenders" ? e.offends[i] : t === "right" ? n === "valid" : n === t) && r.push(i);
	}
	return r;
}
function gd(e, t, n, r, i, a) {
	return t.filter((t) => {
		let o = e.audit.rows[t];
		if (!r[o.row]) return !1;
		let s = n.tag(o.row);
		return a !== "all" && (a === "open" ? s : s !== a) ? !1 : !i || $i(e.quadrant[t]).some((e) => cd(e, o[`${e}_concept`]) === i);
	});
}
// src/audit/Findings.tsx
var _d = 12;
Jn.push({
	where: "Audit",
	keys: [
		{
			keys: ["j", "k"],
			says: "next and previous component of the list; the arrow keys too"
		},
		{
			keys: [
				"1",
				"2",
				"3"
			],
			says: "judge it valid, spurious, unsure; the same key again takes that off"
		},
		{
			keys: ["0"],
			says: "no judgement"
		},
		{
			keys: ["u"],
			says: "undo the last change"
		}
	]
});
var vd = [
	{
		judged: "all",
		name: "all"
	},
	{
		judged: "open",
		name: "not judged yet"
	},
	{
		judged: "valid",
		name: "valid"
	},
	{
		judged: "spurious",
		name: "spurious"
	},
	{
		judged: "unsure",
		name: "unsure"
	}
];
function yd(e) {
	let { params: t } = e.place.route.value;
	return {
		list: md.find((e) => e.list === t.get("list"))?.list ?? "offenders",
		judged: vd.find((e) => e.judged === (t.get("tag") ?? t.get("judged")))?.judged ?? "all",
		concept: t.get("ac")
	};
}
function bd({ state: e }) {
	let t = B(), { index: n } = e, r = e.settled.value, { list: i, judged: a, concept: o } = yd(t), s = hd(r, i), c = gd(r, s, n, t.kept.value, o, a);
	return /* @__PURE__ */ K("section", {
		class: "findings",
		"aria-label": "Components",
		children: [
			/* @__PURE__ */ K("h3", { children: "Components to look at" }),
			/* @__PURE__ */ K(xd, {
				counted: md.map((e) => (e.list === i ? s : hd(r, e.list)).length),
				list: i
			}),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: md.find((e) => e.list === i).says
			}),
			/* @__PURE__ */ K(Cd, {
				state: e,
				whole: s,
				judged: a
			}),
			o && /* @__PURE__ */ K("p", {
				class: "by-concept",
				children: [
					"Only those that fit ",
					/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: o.slice(o.indexOf(":") + 1) }) }),
					" best of the ",
					o.split(":")[0],
					" concepts.",
					" ",
					/* @__PURE__ */ K("button", {
						type: "button",
						onClick: () => t.place.set({ ac: null }),
						children: "Show all"
					})
				]
			}),
			/* @__PURE__ */ K("p", {
				class: "tools",
				children: [/* @__PURE__ */ K("span", { children: c.length === s.length ? Si(c.length, "component") : `${c.length.toLocaleString("en-GB")} of ${Si(s.length, "component")}` }), c.length > 0 && /* @__PURE__ */ K(Tl, {
					what: "this list",
					kinds: ["csv", "json"],
					save: (e) => dn(`${xa(r.audit.output)}-${i}`, ja(n, r, c), e, t)
				})]
			}),
			c.length ? /* @__PURE__ */ K(wd, {
				state: e,
				at: c
			}, i) : /* @__PURE__ */ K(Sd, { whole: s.length })
		]
	});
}
function xd({ counted: e, list: t }) {
	let { place: n } = B();
	return /* @__PURE__ */ K("div", {
		class: "lists",
		role: "group",
		"aria-label": "Which components",
		children: md.map((r, i) => /* @__PURE__ */ K("button", {
			type: "button",
			"aria-pressed": r.list === t,
			onClick: () => n.set({ list: r.list === "offenders" ? null : r.list }),
			children: [
				r.name,
				" ",
				/* @__PURE__ */ K("span", {
					class: "n",
					children: e[i].toLocaleString("en-GB")
				})
			]
		}, r.list))
	});
}
function Sd({ whole: e }) {
	let t = B();
	return e ? /* @__PURE__ */ K("p", {
		class: "none",
		children: [
			"None passes the filters.",
			" ",
			/* @__PURE__ */ K("button", {
				type: "button",
				onClick: () => t.place.set({
					...Rn(t.place) ? Fn : {},
					ac: null,
					judged: null
				}),
				children: "Show all"
			})
		]
	}) : /* @__PURE__ */ K("p", {
		class: "none",
		children: "None."
	});
}
function Cd({ state: e, whole: t, judged: n }) {
	let r = B(), { index: i } = e;
	if (!r.session.can.annotate) return null;
	let a = e.settled.value.audit.rows, o = t.filter((e) => i.tag(a[e].row)).length, s = i.annotations.value.undo, c = (e) => r.place.set({
		tag: e === "all" || e === "open" ? null : e,
		judged: e === "open" ? e : null
	});
	return /* @__PURE__ */ K("div", {
		class: "progress",
		children: [
			/* @__PURE__ */ K("p", {
				role: "status",
				children: [
					/* @__PURE__ */ K("progress", {
						value: o,
						max: Math.max(t.length, 1),
						"aria-hidden": "true"
					}),
					" ",
					o.toLocaleString("en-GB"),
					" of ",
					t.length.toLocaleString("en-GB"),
					" judged"
				]
			}),
			/* @__PURE__ */ K("label", { children: [
				"Show",
				" ",
				/* @__PURE__ */ K("select", {
					"aria-label": "Show",
					value: n,
					onChange: (e) => c(e.currentTarget.value),
					children: vd.map((e) => /* @__PURE__ */ K("option", {
						value: e.judged,
						children: e.name
					}, e.judged))
				})
			] }),
			/* @__PURE__ */ K("button", {
				type: "button",
				disabled: !s,
				title: s ? `Take back: ${s}` : "Nothing to take back",
				onClick: () => void Wu(r, i),
				children: ["Undo ", /* @__PURE__ */ K("kbd", {
					"aria-hidden": "true",
					children: "u"
				})]
			}),
			/* @__PURE__ */ K("p", {
				class: "hint keys",
				children: [
					/* @__PURE__ */ K("kbd", { children: "j" }),
					" ",
					/* @__PURE__ */ K("kbd", { children: "k" }),
					" move, ",
					/* @__PURE__ */ K("kbd", { children: "1" }),
					" valid, ",
					/* @__PURE__ */ K("kbd", { children: "2" }),
					" spurious, ",
					/* @__PURE__ */ K("kbd", { children: "3" }),
					" unsure, ",
					/* @__PURE__ */ K("kbd", { children: "0" }),
					" none"
				]
			})
		]
	});
}
function wd({ state: e, at: t }) {
	let n = B(), { index: r } = e, i = e.settled.value, [a, o] = O(t[0]), [s, c] = O(_d), [l, u] = O(0), d = j(null), f = Math.max(0, t.indexOf(a)), p = (e) => {
		let n = Math.min(Math.max(e, 0), t.length - 1);
		o(t[n]), n >= s && c(n + _d - n % _d), u(l + 1);
	};
	k(() => {
		l && d.current?.focus();
	}, [l]);
	let m = () => d.current?.contains(document.activeElement) ?? !1, h = (e) => n.session.can.annotate && void Uu(n, r, i.audit.rows[t[f]].row, e), g = {
		j: () => p(m() ? f + 1 : f),
		k: () => p(m() ? f - 1 : f),
		u: () => void Wu(n, r)
	};
	for (let e of Hu) g[e.key] = () => (h(e.tag), p(f));
	g[0] = () => r.tag(i.audit.rows[t[f]].row) && h(null), Yn(g);
	let _ = (e) => {
		let t = getComputedStyle(e.currentTarget).gridTemplateColumns.split(" ").length, n = {
			ArrowRight: 1,
			ArrowLeft: -1,
			ArrowDown: t,
			ArrowUp: -t
		}[e.key];
		n && e.target === d.current && (e.preventDefault(), p(f + n));
	}, v = i.audit.rows, y = v.length ? Math.max(v[0].relevance, ...t.slice(0, s).map((e) => v[e].against)) : 1;
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("div", {
		class: "finding-cards",
		onKeyDown: _,
		children: t.slice(0, s).map((t, n) => /* @__PURE__ */ K(pd, {
			state: e,
			counted: i,
			top: y,
			at: t,
			current: n === f,
			place: n === f ? d : null,
			enter: () => o(t)
		}, t))
	}), t.length > s && /* @__PURE__ */ K("p", { children: /* @__PURE__ */ K("button", {
		type: "button",
		onClick: () => c(s + _d),
		children: [
			"Show ",
			Math.min(_d, t.length - s),
			" more"
		]
	}) })] });
}
// src/audit/Masses.tsx
function Td({ state: e }) {
	let t = e.counted.value, { audit: n, shares: r } = t, i = Bi(t.moved);
	return /* @__PURE__ */ K("section", {
		class: "masses",
		"aria-label": "Where the relevance goes",
		children: [
			/* @__PURE__ */ K("h3", { children: "Where the relevance goes" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"Of all that speaks for “",
					/* @__PURE__ */ K("bdi", { children: n.output }),
					"” in a layer: how much goes through components that fit which concepts",
					n.by === "encoding" && " (divided between the sides by what each component responds to; beside it what lies in components that fit neither)",
					i ? ", by your thresholds (so without intervals)." : ", with the 95 % interval."
				]
			}),
			n.layers.map((e) => {
				let t = r.filter((t) => t.layer === e);
				return /* @__PURE__ */ K("div", {
					class: "layer",
					children: [
						/* @__PURE__ */ K("h4", { children: /* @__PURE__ */ K("code", { children: /* @__PURE__ */ K("bdi", { children: e }) }) }),
						/* @__PURE__ */ K(Yl, { shares: n.by === "encoding" ? t.filter((e) => e.quadrant !== "neither") : t }),
						/* @__PURE__ */ K("table", { children: /* @__PURE__ */ K("tbody", { children: t.map((t) => /* @__PURE__ */ K(Ed, {
							share: t,
							mass: i ? void 0 : n.masses.find((n) => n.layer === e && n.quadrant === t.quadrant)
						}, t.quadrant)) }) })
					]
				}, e);
			})
		]
	});
}
function Ed({ share: e, mass: t }) {
	let n = t ? t.relevance : e.relevance, [r, i] = t ? [t.low, t.high] : [null, null], a = t ? `${Y(n)}, from ${vi(r, i)}` : Y(n);
	return /* @__PURE__ */ K("tr", { children: [
		/* @__PURE__ */ K("th", {
			scope: "row",
			children: [
				/* @__PURE__ */ K(Ul, { of: e.quadrant }),
				" fits ",
				hi[e.quadrant]
			]
		}),
		/* @__PURE__ */ K("td", {
			class: "n components",
			children: Si(e.components, "component")
		}),
		/* @__PURE__ */ K("td", {
			class: "n",
			children: Y(n)
		}),
		/* @__PURE__ */ K("td", {
			class: "n",
			children: t ? vi(r, i) : ""
		}),
		/* @__PURE__ */ K("td", {
			class: "drawn-in",
			children: /* @__PURE__ */ K(Xl, {
				value: n,
				low: r ?? n,
				high: i ?? n,
				top: 1,
				kind: e.quadrant,
				words: a
			})
		})
	] });
}
// src/audit/Drivers.tsx
var Dd = 12, Od = (e) => `${e > 0 ? "+" : ""}${e.toFixed(2)}`.replace("-", "−");
function kd({ audit: e }) {
	let t = e.drivers.slice(0, Dd);
	if (!t.length) return null;
	let n = Math.max(...t.map((e) => Math.max(Math.abs(e.low), Math.abs(e.high)))) || 1, r = new Map(e.concepts.map((e) => [e.concept, e.side]));
	return /* @__PURE__ */ K("section", {
		class: "masses drivers",
		"aria-label": "What drives the output",
		children: [
			/* @__PURE__ */ K("h3", { children: "What drives the output" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"The output itself (",
					/* @__PURE__ */ K("bdi", { children: t[0].output }),
					") over all images, before any component: what each concept adds, all others equal, in standard deviations, with the 95 % interval. To the right: for the output."
				]
			}),
			/* @__PURE__ */ K("table", { children: /* @__PURE__ */ K("tbody", { children: t.map((e) => /* @__PURE__ */ K("tr", { children: [
				/* @__PURE__ */ K("th", {
					scope: "row",
					children: [
						/* @__PURE__ */ K(Ul, { of: r.get(e.phrase) ?? "neither" }),
						" ",
						/* @__PURE__ */ K("bdi", { children: e.phrase }),
						e.alike.length > 0 && /* @__PURE__ */ K("span", {
							class: "hint",
							children: [
								" ",
								"hardly told apart from ",
								/* @__PURE__ */ K("bdi", { children: e.alike.join(", ") })
							]
						})
					]
				}),
				/* @__PURE__ */ K("td", {
					class: "n",
					children: Od(e.effect)
				}),
				/* @__PURE__ */ K("td", {
					class: "n",
					children: [
						Od(e.low),
						" to ",
						Od(e.high)
					]
				}),
				/* @__PURE__ */ K("td", {
					class: "drawn-in",
					children: /* @__PURE__ */ K(Kl, {
						value: e.effect,
						low: e.low,
						high: e.high,
						top: n
					})
				})
			] }, e.phrase)) }) })
		]
	});
}
// src/audit/Outcome.tsx
var Ad = 3, jd = .05;
function Md({ audit: e }) {
	let t = {
		passed: "good",
		failed: "bad",
		"cannot tell": "untold"
	}[e.verdict];
	return /* @__PURE__ */ K("div", {
		class: `outcome ${e.verdicts.length ? t : "open"}`,
		children: [e.verdicts.length > 0 && /* @__PURE__ */ K(Gl, { kind: t }), /* @__PURE__ */ K("p", { children: [
			/* @__PURE__ */ K("strong", { children: Nd(e) }),
			" ",
			/* @__PURE__ */ K(Pd, { audit: e })
		] })]
	});
}
function Nd({ verdicts: e }) {
	let t = e.filter((e) => e.verdict === "not met").length, n = e.filter((e) => e.verdict === "cannot tell").length, r = e.filter((e) => !e.sure).length - n;
	if (!e.length) return "The spec states no requirement, so nothing was passed or failed.";
	let i = Si(e.length, "requirement"), a = t ? [`${t} of ${i} ${t === 1 ? "is" : "are"} not met`] : [];
	n && a.push(t ? `of ${n} it cannot be told` : `Of ${n} of ${i} it cannot be told`);
	let o = `${a.join("; ")}.`;
	if (a.length || (o = e.length === 1 ? "The one requirement is met." : `All ${e.length} requirements are met.`), !r) return o;
	let s = e.length > 1 ? `${r} of these verdicts ${r === 1 ? "is" : "are"}` : "This verdict is";
	return `${o} ${s} not sure.`;
}
function Pd({ audit: e }) {
	let t = e.masses.filter((e) => e.quadrant === "spurious"), n = t.reduce((e, t) => t.relevance > e.relevance ? t : e, t[0]);
	if (!n) return null;
	let r = e.concepts.filter((e) => e.layer === n.layer && e.side === "spurious" && e.relevance >= jd).slice(0, Ad);
	return /* @__PURE__ */ K(T, { children: [
		Y(n.relevance, 0),
		" (",
		vi(n.low, n.high, 0),
		") of what speaks for “",
		/* @__PURE__ */ K("bdi", { children: e.output }),
		"” in ",
		n.layer,
		" goes through components that fit only spurious concepts, which must not matter",
		r.map((e, t) => /* @__PURE__ */ K("span", { children: [
			t === 0 ? "; the largest: " : ", ",
			/* @__PURE__ */ K("bdi", { children: e.concept }),
			" (",
			Y(e.relevance, 0),
			")"
		] }, e.concept)),
		"."
	] });
}
function Fd({ audit: e }) {
	return e.doubts.length ? /* @__PURE__ */ K("section", {
		class: "doubts",
		"aria-label": "Doubts",
		children: [
			/* @__PURE__ */ K("h3", { children: "Doubts: what the foundation model does not know, see or tell apart" }),
			/* @__PURE__ */ K("p", { children: "Figures that rest on these phrases are not reliable. Other phrases, or images that are marked as showing a concept, may do better." }),
			/* @__PURE__ */ K("ul", { children: e.doubts.map((e) => /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("bdi", { children: e }) }, e)) })
		]
	}) : null;
}
// src/audit/RequirementField.tsx
function Id(e) {
	return e.findIndex((e) => e.trim() && !Mi(e));
}
function Ld({ state: e }) {
	let t = e.draft.value, n = t.requirements, r = Id(n), i = (t) => e.edit({ requirements: t });
	return /* @__PURE__ */ K("fieldset", {
		class: "requirements",
		children: [
			/* @__PURE__ */ K("legend", { children: "Requirements" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: "Each is met or not met. Relevance: how much of what speaks for the class goes through a component."
			}),
			/* @__PURE__ */ K("ul", { children: n.map((a, o) => {
				let s = Mi(a);
				return /* @__PURE__ */ K("li", { children: [
					/* @__PURE__ */ K("textarea", {
						class: "code",
						rows: a.length > 34 ? 2 : 1,
						spellcheck: !1,
						"aria-label": `Requirement ${o + 1}`,
						"aria-invalid": o === r || void 0,
						value: a,
						onInput: (e) => i(n.map((t, n) => n === o ? e.currentTarget.value.replace(/\n/g, " ") : t))
					}),
					/* @__PURE__ */ K("button", {
						type: "button",
						"aria-label": `Remove requirement ${o + 1}`,
						title: "Remove",
						onClick: () => i(n.filter((e, t) => t !== o)),
						children: "×"
					}),
					s && /* @__PURE__ */ K("p", {
						class: "hint",
						children: [Fi(s, String(t.output)), "."]
					}),
					o === r && e.fault.value && /* @__PURE__ */ K("p", {
						class: "fault",
						children: e.fault.value
					})
				] }, o);
			}) }),
			/* @__PURE__ */ K(zd, {
				output: String(t.output),
				add: (e) => i([...n, e])
			})
		]
	});
}
var Rd = {
	relevance_mass: "share of relevance",
	net_relevance: "net relevance, for less against",
	drivers: "share in what drives the output",
	components: "number of components",
	worst: "any one offender's relevance"
};
function zd({ output: e, add: t }) {
	let [n, r] = O("relevance_mass"), [i, a] = O(["spurious"]), [o, s] = O("<="), [c, l] = O("10"), u = n === "net_relevance" || n === "drivers" ? J.slice(0, 2) : J, d = i.filter((e) => u.includes(e)), f = n !== "components", p = f ? `${Number(c)}%` : String(Math.round(Number(c))), m = n === "worst" ? `no component with spurious > valid above relevance ${p}` : `${n}(${d.join(" + ")}) ${o} ${p}`, h = c.trim() ? Mi(m) : null, g = (e) => a(J.filter((t) => t === e !== i.includes(t)));
	return /* @__PURE__ */ K("details", {
		class: "builder",
		children: [
			/* @__PURE__ */ K("summary", { children: "Add a requirement" }),
			/* @__PURE__ */ K("div", {
				class: "row",
				children: [
					/* @__PURE__ */ K("select", {
						"aria-label": "What is limited",
						value: n,
						onChange: (e) => r(e.currentTarget.value),
						children: Object.entries(Rd).map(([e, t]) => /* @__PURE__ */ K("option", {
							value: e,
							children: t
						}, e))
					}),
					n === "worst" ? /* @__PURE__ */ K("span", { children: "at most" }) : /* @__PURE__ */ K("select", {
						"aria-label": "Bound",
						value: o,
						onChange: (e) => s(e.currentTarget.value),
						children: [/* @__PURE__ */ K("option", {
							value: "<=",
							children: "at most"
						}), /* @__PURE__ */ K("option", {
							value: ">=",
							children: "at least"
						})]
					}),
					/* @__PURE__ */ K("label", {
						class: "limit",
						children: [/* @__PURE__ */ K("input", {
							type: "number",
							"aria-label": "Limit",
							min: "0",
							max: f ? 100 : void 0,
							step: f ? "any" : 1,
							value: c,
							onInput: (e) => l(e.currentTarget.value)
						}), f && " %"]
					})
				]
			}),
			n !== "worst" && /* @__PURE__ */ K("div", {
				class: "row",
				role: "group",
				"aria-label": "Of components that fit",
				children: u.map((e) => /* @__PURE__ */ K("label", { children: [
					/* @__PURE__ */ K("input", {
						type: "checkbox",
						checked: i.includes(e),
						onChange: () => g(e)
					}),
					" ",
					/* @__PURE__ */ K(Ul, { of: e }),
					" ",
					hi[e]
				] }, e))
			}),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: h ? `${Fi(h, e)}.` : "Choose at least one kind of component and a limit."
			}),
			/* @__PURE__ */ K("button", {
				type: "button",
				disabled: !h,
				onClick: () => t(m),
				children: "Add"
			})
		]
	});
}
// src/audit/Verdicts.tsx
function Bd({ state: e }) {
	let t = e.counted.value, { verdicts: n } = t.audit;
	return /* @__PURE__ */ K("section", {
		class: "verdicts",
		"aria-label": "Requirements",
		children: [
			/* @__PURE__ */ K("h3", { children: "Requirements" }),
			n.length ? /* @__PURE__ */ K("p", {
				class: "hint",
				children: "Upright bar: the value; line through it: its 95 % interval; dashed: the limit; shaded green: what is allowed."
			}) : /* @__PURE__ */ K("p", { children: "The spec states none." }),
			Bi(t.moved) && n.length > 0 && /* @__PURE__ */ K("p", {
				class: "yours-note",
				children: "Verdicts and intervals hold for the thresholds of chance. Yours change the values to those after “by your thresholds”, which have no interval."
			}),
			/* @__PURE__ */ K("ul", { children: n.map((e) => /* @__PURE__ */ K(Wd, {
				verdict: e,
				counted: t
			}, e.requirement)) })
		]
	});
}
var Vd = {
	met: "Met",
	"not met": "Not met",
	"cannot tell": "Cannot tell"
}, Hd = {
	met: "good",
	"not met": "bad",
	"cannot tell": "untold"
}, Ud = {
	met: "met",
	"not met": "unmet",
	"cannot tell": "untold"
};
function Wd({ verdict: e, counted: t }) {
	let n = Mi(e.requirement);
	return /* @__PURE__ */ K("li", {
		class: `verdict ${Ud[e.verdict]}`,
		children: [/* @__PURE__ */ K("div", { children: [
			/* @__PURE__ */ K("p", {
				class: "head",
				children: [/* @__PURE__ */ K("span", {
					class: "mark",
					children: [
						/* @__PURE__ */ K(Gl, { kind: Hd[e.verdict] }),
						" ",
						/* @__PURE__ */ K("strong", { children: Vd[e.verdict] })
					]
				}), /* @__PURE__ */ K("span", {
					class: `sure ${e.sure ? "" : "unsure"}`,
					children: /* @__PURE__ */ K("bdi", { children: e.sure ? "sure" : e.verdict === "cannot tell" ? e.reason : `not sure: ${e.reason}` })
				})]
			}),
			n && /* @__PURE__ */ K("p", { children: [/* @__PURE__ */ K("bdi", { children: Fi(n, t.audit.output) }), "."] }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					/* @__PURE__ */ K("code", { children: /* @__PURE__ */ K("bdi", { children: e.requirement }) }),
					" ",
					"in ",
					/* @__PURE__ */ K("bdi", { children: e.layer })
				]
			})
		] }), n && /* @__PURE__ */ K(Gd, {
			verdict: e,
			asked: n,
			counted: t
		})]
	});
}
function Gd({ verdict: e, asked: t, counted: n }) {
	let r = Bi(n.moved) ? ta(n, t) : null, i = [
		e.high,
		t.limit,
		r?.value ?? null
	].filter((e) => e !== null), a = [
		"relevance_mass",
		"net_relevance",
		"drivers"
	].includes(t.figure) ? 1 : 1.25 * Math.max(...i) || 1, o = t.operator.startsWith("<") ? [0, t.limit] : [t.limit, a], s = `${Ii(e.value, t)}, from ${Li(e, t)}, on a scale to ${Number(a.toPrecision(3))}; limit ${Pi(t)}`;
	return /* @__PURE__ */ K("div", { children: [
		/* @__PURE__ */ K(Xl, {
			...e,
			top: a,
			kind: Ud[e.verdict],
			words: s,
			allowed: o,
			yours: r?.value ?? null
		}),
		/* @__PURE__ */ K("p", {
			class: "figures",
			children: [
				Ii(e.value, t),
				" (",
				Li(e, t),
				"), limit ",
				Pi(t)
			]
		}),
		r && /* @__PURE__ */ K("p", {
			class: "figures yours-figure",
			children: [
				"by your thresholds ",
				Ii(r.value, t),
				": ",
				r.met ? "met" : "not met"
			]
		})
	] });
}
// src/audit/Verify.tsx
function Kd({ state: e }) {
	let t = B(), { index: n } = e, r = e.answer.value, i = St(null), a = r.audit.concepts.some((e) => e.side === "spurious" && e.components > 0);
	if (!t.session.can.audit || !a) return null;
	if (!n.info.heat) return /* @__PURE__ */ K("p", {
		class: "hint",
		children: "What the output loses without the components that fit a spurious concept can be measured where the model and the images are at hand: start with --model MODEL --images FOLDER."
	});
	let o = () => {
		let e = JSON.stringify({ spec: fa(r.draft) });
		i.value = {
			key: r.key,
			found: {
				state: "loading",
				job: null
			}
		}, zt(async () => R(await t.transport.post(n.at("verify"), e)), { set value(e) {
			i.value = {
				key: r.key,
				found: e
			};
		} });
	}, s = i.value?.key === r.key ? i.value.found : null;
	return /* @__PURE__ */ K("section", {
		class: "masses drivers verify",
		"aria-label": "Put to the test",
		children: [
			/* @__PURE__ */ K("h3", { children: "Put to the test" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: "Relevance says what goes through components; this says what goes without them. Those that fit a spurious concept are set to their mean activation, and the output is compared on images that show the concept and on images that do not. A shortcut makes it fall on the former."
			}),
			s ? /* @__PURE__ */ K(Hn, {
				of: s,
				what: "Test",
				children: (e) => /* @__PURE__ */ K(qd, { rows: e })
			}) : /* @__PURE__ */ K("button", {
				type: "button",
				class: "button",
				onClick: o,
				children: "Switch them off and measure"
			})
		]
	});
}
function qd({ rows: e }) {
	let t = e.reduce((e, t) => Math.max(e, Math.abs(t.low), Math.abs(t.high)), 1e-9);
	return /* @__PURE__ */ K("div", {
		class: "wide",
		tabIndex: 0,
		role: "region",
		"aria-label": "Table of what the output loses",
		children: [/* @__PURE__ */ K("table", { children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
			/* @__PURE__ */ K("th", {
				scope: "col",
				children: "without"
			}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				class: "n",
				children: "relevance"
			}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				class: "n",
				children: "falls by"
			}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				class: "n",
				children: "95 % interval"
			}),
			/* @__PURE__ */ K("td", {}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				children: "images"
			})
		] }) }), /* @__PURE__ */ K("tbody", { children: e.map((e) => /* @__PURE__ */ K("tr", { children: [
			/* @__PURE__ */ K("th", {
				scope: "row",
				title: e.layer,
				children: /* @__PURE__ */ K("bdi", { children: e.concept })
			}),
			/* @__PURE__ */ K("td", {
				class: "n",
				children: Y(e.relevance)
			}),
			/* @__PURE__ */ K("td", {
				class: "n",
				title: `${U(e.fall_with)} on images that show it, ${U(e.fall_without)} on images that do not`,
				children: U(e.fall)
			}),
			/* @__PURE__ */ K("td", {
				class: "n",
				children: [
					U(e.low),
					" to ",
					U(e.high)
				]
			}),
			/* @__PURE__ */ K("td", {
				class: "drawn-in",
				children: /* @__PURE__ */ K(Kl, {
					value: e.fall,
					low: e.low,
					high: e.high,
					top: t
				})
			}),
			/* @__PURE__ */ K("td", { children: [
				e.images_with,
				" with, ",
				e.images_without,
				" without, by ",
				e.chosen_by
			] })
		] }, `${e.layer} ${e.concept}`)) })] }), /* @__PURE__ */ K("p", {
			class: "hint",
			children: [
				"In logits, of two classes their difference; to the right: the output falls more where the concept is. To take such a concept out of the model and see accuracy before and after: ",
				/* @__PURE__ */ K("code", { children: "semlens correct" }),
				" (tags that you set here: ",
				/* @__PURE__ */ K("code", { children: "--what tags:INDEX" }),
				")."
			]
		})]
	});
}
// src/audit/Result.tsx
function Jd({ state: e }) {
	let t = e.answer.value, n = e.stale.value;
	return /* @__PURE__ */ K("div", {
		class: "result",
		children: [t && /* @__PURE__ */ K("div", {
			class: `found ${n ? "stale" : ""}`,
			"aria-busy": n,
			children: [
				/* @__PURE__ */ K(Yd, { state: e }),
				/* @__PURE__ */ K(Md, { audit: t.audit }),
				/* @__PURE__ */ K(Fd, { audit: t.audit }),
				/* @__PURE__ */ K(kd, { audit: t.audit }),
				/* @__PURE__ */ K(Bd, { state: e }),
				/* @__PURE__ */ K(Kd, { state: e }),
				/* @__PURE__ */ K(Td, { state: e }),
				/* @__PURE__ */ K(od, { state: e }),
				/* @__PURE__ */ K(ld, { state: e }),
				/* @__PURE__ */ K(bd, { state: e })
			]
		}), /* @__PURE__ */ K(Xd, { state: e })]
	});
}
function Yd({ state: e }) {
	let { place: t } = B(), { audit: n, draft: r } = e.answer.value, i = e.index.info.classes.find((e) => e.name === n.output)?.number;
	return /* @__PURE__ */ K("div", {
		class: "result-head",
		children: [/* @__PURE__ */ K("div", { children: [/* @__PURE__ */ K("h2", { children: /* @__PURE__ */ K("bdi", { children: (e.draft.value ?? r).title || `Audit of “${n.output}”` }) }), /* @__PURE__ */ K("p", {
			class: "hint",
			children: [
				"Output “",
				/* @__PURE__ */ K("bdi", { children: n.output }),
				"”, ",
				Si(n.rows.length, "component"),
				" in ",
				/* @__PURE__ */ K("bdi", { children: n.layers.join(", ") }),
				", relevance on",
				" ",
				Si(n.images, "image"),
				", by ",
				n.by,
				i !== void 0 && /* @__PURE__ */ K(T, { children: [" · ", /* @__PURE__ */ K("a", {
					href: t.href(["graph"], { class: i }),
					children: "how this class comes about"
				})] })
			]
		})] }), /* @__PURE__ */ K(fd, { state: e })]
	});
}
function Xd({ state: e }) {
	let t = e.draft.value, n = t ? ha(t) : "", r = e.fault.value, i = e.busy.value, a = t !== null && Id(t.requirements) >= 0;
	return /* @__PURE__ */ K("div", {
		class: "standing",
		"aria-live": "polite",
		children: n ? /* @__PURE__ */ K("p", {
			class: "lacks",
			children: n
		}) : r ? /* @__PURE__ */ K("p", {
			class: "fault",
			children: [
				a ? "A requirement is not understood: see the spec." : r,
				" ",
				e.answer.value && "Below is the result before that."
			]
		}) : i && /* @__PURE__ */ K(Un, {
			what: "Audit",
			job: i.job
		})
	});
}
// src/audit/ConceptField.tsx
var Zd = {
	valid: "What may speak for the class",
	spurious: "What must not speak for it"
}, Qd = "One name, or a name and several phrases for it — border: ragged border; notched border", $d = (e) => e === "valid" ? "spurious" : "valid", ef = null;
function tf(e, t) {
	let n = (e) => e.name.toLowerCase() === t.toLowerCase();
	return aa.find((t) => e[t].some(n));
}
function nf({ state: e, side: t }) {
	let n = e.draft.value, [r, i] = O(""), [a, o] = O(""), [s, c] = O(-1), l = j(null), u = (n) => e.edit({ [t]: n }), d = (n) => {
		let r = va(n);
		if (!r) return;
		let a = tf(e.draft.peek(), r.name);
		if (a) return o(`“${r.name}” stands there already, as a ${a} concept.`);
		u([...e.draft.peek()[t], r]), i(""), o("");
	}, f = (e) => {
		u(n[t].filter((t, n) => n !== e)), c(-1), l.current?.focus();
	}, p = (t, n) => {
		let r = e.draft.peek(), i = r[t][n];
		e.edit({
			[t]: r[t].filter((e) => e !== i),
			[$d(t)]: [...r[$d(t)], i]
		}), c(-1);
	};
	return /* @__PURE__ */ K("fieldset", {
		class: `side ${t}`,
		onDragOver: (e) => ef?.side === $d(t) && e.preventDefault(),
		onDrop: (e) => {
			e.preventDefault(), ef?.side === $d(t) && p(ef.side, ef.at), ef = null;
		},
		children: [
			/* @__PURE__ */ K("legend", { children: [
				/* @__PURE__ */ K(Ul, { of: t }),
				" ",
				t === "valid" ? "Valid" : "Spurious",
				" concepts"
			] }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [Zd[t], "."]
			}),
			/* @__PURE__ */ K("ul", {
				class: "ideas",
				"aria-label": `${t} concepts`,
				children: n[t].map((e, n) => /* @__PURE__ */ K(rf, {
					idea: e,
					side: t,
					open: s === n,
					drag: () => ef = {
						side: t,
						at: n
					},
					toggle: () => c(s === n ? -1 : n),
					turn: () => p(t, n),
					remove: () => f(n)
				}, e.name))
			}),
			s >= 0 && n[t][s] && /* @__PURE__ */ K(of, {
				idea: n[t][s],
				side: t,
				change: (e) => u(n[t].map((t, n) => n === s ? e : t)),
				close: () => c(-1)
			}),
			/* @__PURE__ */ K("input", {
				ref: l,
				type: "text",
				"aria-label": `Add a ${t} concept`,
				placeholder: "Add a concept, then Enter",
				title: Qd,
				value: r,
				"aria-invalid": a ? !0 : void 0,
				onInput: (e) => (i(e.currentTarget.value), o("")),
				onKeyDown: (e) => {
					e.key === "Enter" ? (e.preventDefault(), d(r)) : e.key === "Backspace" && !r && n[t].length && (e.preventDefault(), i(ya(n[t].at(-1))), u(n[t].slice(0, -1)));
				},
				onPaste: (e) => {
					let t = (e.clipboardData?.getData("text") ?? "").split("\n").filter((e) => e.trim());
					t.length < 2 || (e.preventDefault(), t.forEach(d));
				},
				onBlur: () => d(r)
			}),
			a && /* @__PURE__ */ K("p", {
				class: "fault",
				children: a
			})
		]
	});
}
function rf({ idea: e, side: t, open: n, drag: r, toggle: i, turn: a, remove: o }) {
	let s = e.phrases.length + e.images.length;
	return /* @__PURE__ */ K("li", {
		class: "idea",
		draggable: !0,
		onDragStart: r,
		children: [
			/* @__PURE__ */ K("button", {
				type: "button",
				class: "name",
				"aria-expanded": n,
				title: af(e),
				onClick: i,
				onKeyDown: (e) => (e.key === "Backspace" || e.key === "Delete") && o(),
				children: [/* @__PURE__ */ K("bdi", { children: e.name }), s > 1 && /* @__PURE__ */ K("span", {
					class: "more",
					children: [" ", s]
				})]
			}),
			/* @__PURE__ */ K("button", {
				type: "button",
				"aria-label": `Move ${e.name} to the ${$d(t)} concepts`,
				title: `Move to ${$d(t)}`,
				onClick: a,
				children: t === "valid" ? "↓" : "↑"
			}),
			/* @__PURE__ */ K("button", {
				type: "button",
				"aria-label": `Remove ${e.name}`,
				title: "Remove",
				onClick: o,
				children: "×"
			})
		]
	});
}
function af({ phrases: e, images: t }) {
	let n = [...e, ...t.map((e) => `image ${e}`)];
	return n.length ? `Sought as: ${n.join("; ")}. Click to change.` : "Sought by its name. Click to give it phrases.";
}
function of({ idea: e, side: t, change: n, close: r }) {
	let [i, a] = O(e.phrases.join("\n"));
	return /* @__PURE__ */ K("div", {
		class: "details",
		onKeyDown: (e) => e.key === "Escape" && r(),
		children: [
			/* @__PURE__ */ K("label", { children: ["Name", /* @__PURE__ */ K("input", {
				type: "text",
				value: e.name,
				onChange: (t) => t.currentTarget.value.trim() && n({
					...e,
					name: t.currentTarget.value.trim()
				})
			})] }),
			/* @__PURE__ */ K("label", { children: ["Phrases, one per line; the best fitting counts", /* @__PURE__ */ K("textarea", {
				rows: Math.max(2, Math.min(6, e.phrases.length + 1)),
				value: i,
				placeholder: e.name,
				onInput: (t) => {
					a(t.currentTarget.value), n({
						...e,
						phrases: ba(t.currentTarget.value)
					});
				}
			})] }),
			e.images.length > 0 && /* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"And the images ",
					e.images.map((e) => `“${e}”`).join(", "),
					"."
				]
			}),
			/* @__PURE__ */ K("button", {
				type: "button",
				onClick: r,
				children: "Done"
			}),
			/* @__PURE__ */ K("span", {
				class: "hint",
				children: [
					" a ",
					t,
					" concept"
				]
			})
		]
	});
}
// src/audit/Start.tsx
function sf({ state: e }) {
	let t = B(), { index: n } = e, r = n.info.classes, i = r.find((e) => e.number === t.of.value) ?? r[0];
	return /* @__PURE__ */ K("section", {
		class: "start",
		children: [
			/* @__PURE__ */ K("h2", { children: "Start from a spec" }),
			/* @__PURE__ */ K("p", { children: [
				"A spec lists concepts that may speak for a class (",
				/* @__PURE__ */ K("em", { children: "valid" }),
				") and concepts that must not (",
				/* @__PURE__ */ K("em", { children: "spurious" }),
				"). The audit then says how much of what speaks for the class goes through either."
			] }),
			/* @__PURE__ */ K("p", {
				class: "actions",
				children: [/* @__PURE__ */ K("button", {
					type: "button",
					class: "main",
					onClick: () => e.begin(la(i.name)),
					children: "Write a new one"
				}), /* @__PURE__ */ K(df, { state: e })]
			}),
			/* @__PURE__ */ K(Hn, {
				of: Ta(t.transport, n).value,
				what: "specs",
				children: ({ shipped: t, saved: n, last: i }) => /* @__PURE__ */ K("ul", {
					class: "choices",
					children: [
						i && ![...n, ...t].some(({ spec: e }) => lf(e, i.spec)) && /* @__PURE__ */ K(uf, {
							name: i.spec.title || `Audit of “${i.output}”`,
							spec: i.spec,
							kind: `the last audit: ${i.verdict}`,
							state: e
						}),
						n.map(({ name: t, spec: n }) => /* @__PURE__ */ K(uf, {
							name: t,
							spec: n,
							kind: "saved",
							last: i,
							state: e
						}, `saved ${t}`)),
						cf(t, r).map(({ name: t, spec: n }) => /* @__PURE__ */ K(uf, {
							name: t,
							spec: n,
							kind: "comes with semlens",
							last: i,
							state: e
						}, t))
					]
				})
			})
		]
	});
}
function cf(e, t) {
	let n = ({ spec: e }) => t.some((t) => t.name === e.output || t.number === e.output);
	return [...e.filter(n), ...e.filter((e) => !n(e))];
}
function lf(e, t) {
	return JSON.stringify(fa(ua(e))) === JSON.stringify(fa(ua(t)));
}
function uf({ name: e, spec: t, kind: n, last: r, state: i }) {
	let a = B(), o = i.index.info.classes.some((e) => e.name === t.output || e.number === t.output), s = () => Da(a.transport, i.index, e, null).catch((e) => a.told.value = e.message);
	return /* @__PURE__ */ K("li", { children: [/* @__PURE__ */ K("button", {
		type: "button",
		class: "choice",
		onClick: () => i.begin(ua(t)),
		children: [
			/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: t.title || e }) }),
			/* @__PURE__ */ K("span", {
				class: "hint",
				children: [
					Si(t.valid.length, "valid concept"),
					", ",
					t.spurious.length,
					" spurious, ",
					Si(t.requirements?.length ?? 0, "requirement")
				]
			}),
			/* @__PURE__ */ K("span", {
				class: "hint",
				children: [
					o ? "for " : "written for ",
					/* @__PURE__ */ K("bdi", { children: [
						"“",
						String(t.output),
						"”"
					] }),
					!o && ", a class that this index has no relevance for: choose another then",
					" · ",
					n === "saved" && t.title ? `saved as ${e}` : n,
					r && lf(t, r.spec) && ` · the last audit: ${r.verdict}`
				]
			})
		]
	}), n === "saved" && /* @__PURE__ */ K("button", {
		type: "button",
		class: "remove",
		"aria-label": `Remove the saved spec ${e}`,
		title: "Remove",
		onClick: () => void s(),
		children: "×"
	})] });
}
function df({ state: e }) {
	let t = B(), n = j(null), [r, i] = O(""), a = async (r) => {
		if (r) {
			try {
				e.begin(await Oa(t.transport, r)), i("");
			} catch (e) {
				i(e instanceof Error ? e.message : String(e));
			}
			n.current.value = "";
		}
	};
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("button", {
			type: "button",
			onClick: () => n.current.click(),
			children: "Open a YAML file"
		}),
		/* @__PURE__ */ K("input", {
			ref: n,
			type: "file",
			accept: ".yaml,.yml",
			class: "file",
			tabIndex: -1,
			"aria-label": "Spec as a YAML file",
			onChange: (e) => void a(e.currentTarget.files?.[0])
		}),
		r && /* @__PURE__ */ K("span", {
			class: "fault",
			children: r
		})
	] });
}
// src/audit/SpecForm.tsx
function ff({ state: e }) {
	let t = e.draft.value;
	return /* @__PURE__ */ K("form", {
		class: "spec",
		"aria-label": "Spec",
		onSubmit: (e) => e.preventDefault(),
		children: [
			/* @__PURE__ */ K("div", {
				class: "actions",
				children: [/* @__PURE__ */ K("button", {
					type: "button",
					onClick: () => e.begin(null),
					children: "Other spec"
				}), /* @__PURE__ */ K(df, { state: e })]
			}),
			/* @__PURE__ */ K("label", {
				class: "entry",
				children: ["Title", /* @__PURE__ */ K("input", {
					type: "text",
					value: t.title,
					placeholder: "Audit",
					onInput: (t) => e.edit({ title: t.currentTarget.value })
				})]
			}),
			/* @__PURE__ */ K(pf, { state: e }),
			/* @__PURE__ */ K(nf, {
				state: e,
				side: "valid"
			}),
			/* @__PURE__ */ K(nf, {
				state: e,
				side: "spurious"
			}),
			/* @__PURE__ */ K(Ld, { state: e }),
			/* @__PURE__ */ K(mf, { state: e }),
			/* @__PURE__ */ K(hf, { state: e }),
			/* @__PURE__ */ K(gf, { state: e })
		]
	});
}
function pf({ state: e }) {
	let { classes: t } = e.index.info, { output: n } = e.draft.value, r = t.findIndex((e) => e.name === n || e.number === n), i = (e) => {
		let n = t[e];
		return t.filter((e) => e.name === n.name).length > 1 ? n.number : n.name;
	};
	return /* @__PURE__ */ K("label", {
		class: "entry",
		children: ["Class: the output of the model that is audited", /* @__PURE__ */ K("select", {
			value: r,
			onChange: (t) => e.edit({ output: i(Number(t.currentTarget.value)) }),
			children: [r < 0 && /* @__PURE__ */ K("option", {
				value: -1,
				disabled: !0,
				children: n === "" ? "choose a class" : `${n} – not in this index`
			}), t.map((e, t) => /* @__PURE__ */ K("option", {
				value: t,
				children: [
					e.name,
					" (",
					e.images.toLocaleString("en-GB"),
					" images)"
				]
			}, e.number))]
		})]
	});
}
function mf({ state: e }) {
	let t = e.draft.value.layers, n = e.index.info.layers.filter((e) => !e.outputs), r = t.filter((e) => !n.some(({ layer: t }) => t === e)), i = (i) => {
		let a = [...n.map(({ layer: e }) => e), ...r].filter((e) => e === i !== t.includes(e));
		e.edit({ layers: a });
	};
	return /* @__PURE__ */ K("fieldset", {
		class: "layers",
		children: [
			/* @__PURE__ */ K("legend", { children: "Layers" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: t.length ? "Those chosen; each is audited by itself." : `None chosen: the last before the outputs, ${n.at(-1)?.layer ?? ""}.`
			}),
			/* @__PURE__ */ K("div", {
				class: "row",
				children: [...n.map(({ layer: e }) => e), ...r].map((e) => /* @__PURE__ */ K("label", { children: [
					/* @__PURE__ */ K("input", {
						type: "checkbox",
						checked: t.includes(e),
						onChange: () => i(e)
					}),
					" ",
					/* @__PURE__ */ K("bdi", { children: e })
				] }, e))
			})
		]
	});
}
function hf({ state: e }) {
	let t = e.draft.value;
	return /* @__PURE__ */ K("details", {
		class: "more-fields",
		children: [
			/* @__PURE__ */ K("summary", { children: "False discoveries, templates, notes" }),
			/* @__PURE__ */ K("label", {
				class: "entry",
				children: ["False-discovery rate: of the components said to fit a side, how many may do so by chance, in %", /* @__PURE__ */ K("input", {
					type: "number",
					min: "0.1",
					max: "99",
					step: "any",
					value: Number((t.fdr * 100).toPrecision(6)),
					onChange: (t) => Number(t.currentTarget.value) > 0 && e.edit({ fdr: Number(t.currentTarget.value) / 100 })
				})]
			}),
			/* @__PURE__ */ K("label", {
				class: "entry",
				children: [
					"Templates, one per line: what a phrase is put into, at ",
					"{}",
					/* @__PURE__ */ K("textarea", {
						rows: Math.max(2, t.templates.length),
						value: t.templates.join("\n"),
						spellcheck: !1,
						onInput: (t) => e.edit({ templates: t.currentTarget.value.split("\n") })
					})
				]
			}),
			/* @__PURE__ */ K("label", {
				class: "entry",
				children: ["Notes: why these concepts; printed in the report", /* @__PURE__ */ K("textarea", {
					rows: 4,
					value: t.notes,
					onInput: (t) => e.edit({ notes: t.currentTarget.value })
				})]
			})
		]
	});
}
function gf({ state: e }) {
	let t = B(), [n, r] = O(""), [i, a] = O("");
	if (!t.session.can.annotate) return null;
	let o = async () => {
		let r = n.trim() || xa(e.draft.peek().title);
		try {
			await Da(t.transport, e.index, r, fa(e.draft.peek())), t.told.value = `Saved as “${r}”`, a("");
		} catch (e) {
			a(e instanceof Error ? e.message : String(e));
		}
	};
	return /* @__PURE__ */ K("div", {
		class: "keep",
		children: [
			/* @__PURE__ */ K("input", {
				type: "text",
				"aria-label": "Name to save the spec under",
				placeholder: xa(e.draft.value.title),
				value: n,
				onInput: (e) => r(e.currentTarget.value),
				onKeyDown: (e) => e.key === "Enter" && void o()
			}),
			/* @__PURE__ */ K("button", {
				type: "button",
				onClick: () => void o(),
				children: "Save the spec"
			}),
			i && /* @__PURE__ */ K("p", {
				class: "fault",
				children: i
			})
		]
	});
}
// src/audit/Stored.tsx
function _f({ state: e, audits: t }) {
	let { place: n } = B(), r = n.route.value.params.get("audit"), i = t.find((e) => e.name === r) ?? t[0];
	return k(() => {
		i && (e.answer.value = {
			audit: i.audit,
			draft: ua(i.spec),
			key: ""
		});
	}, [i]), i ? /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("p", {
			class: "hint",
			children: "This copy of the page holds audits that were made before. New ones take the server."
		}),
		/* @__PURE__ */ K("div", {
			class: "lists",
			role: "group",
			"aria-label": "Audit",
			children: t.map((e) => /* @__PURE__ */ K("button", {
				type: "button",
				"aria-pressed": e === i,
				onClick: () => n.set({
					audit: e.name,
					tv: null,
					ts: null,
					al: null,
					ac: null,
					pin: null
				}),
				children: /* @__PURE__ */ K("bdi", { children: e.spec.title || e.name })
			}, e.name))
		}),
		/* @__PURE__ */ K(Jd, { state: e })
	] }) : /* @__PURE__ */ K("p", {
		class: "none",
		children: "No audit was put into this copy of the page, and a new one takes the server: `semlens serve`."
	});
}
// src/views/Audit.tsx
function vf() {
	let e = B(), t = bu(e, e.index.value);
	return /* @__PURE__ */ K("div", {
		class: "audit",
		children: [/* @__PURE__ */ K("h1", { children: "Does the model rely on what it should?" }), /* @__PURE__ */ K(yf, { state: t })]
	}, t.index.number);
}
function yf({ state: e }) {
	let t = B();
	return k(() => e.enter(), [e]), e.index.info.classes.length ? t.session.can.audit ? e.draft.value ? /* @__PURE__ */ K("div", {
		class: "desk",
		children: [/* @__PURE__ */ K(bf, { state: e }), /* @__PURE__ */ K(Jd, { state: e })]
	}) : /* @__PURE__ */ K(sf, { state: e }) : /* @__PURE__ */ K(xf, { state: e }) : /* @__PURE__ */ K("p", {
		class: "none",
		children: [
			"This index has no relevance: nobody noted how much each component moves an output. Build it with the classes to be audited (",
			/* @__PURE__ */ K("code", { children: "semlens build … --classes NAMES" }),
			"), and they can be audited here."
		]
	});
}
function bf({ state: e }) {
	let [t, n] = O(() => matchMedia("(min-width: 1020px)").matches || ha(e.draft.peek()) !== "");
	return /* @__PURE__ */ K("section", {
		class: `spec-panel ${t ? "" : "folded"}`,
		"aria-label": "Spec",
		children: [/* @__PURE__ */ K("h2", { children: /* @__PURE__ */ K("button", {
			type: "button",
			class: "fold",
			"aria-expanded": t,
			onClick: () => n(!t),
			children: "The spec"
		}) }), t && /* @__PURE__ */ K(ff, { state: e })]
	});
}
function xf({ state: e }) {
	let t = Ca(B().transport, e.index).value;
	return t.state === "loading" ? /* @__PURE__ */ K("p", {
		class: "none",
		children: "Looking for audits …"
	}) : /* @__PURE__ */ K(_f, {
		state: e,
		audits: z(t) ?? []
	});
}
// src/about/Additions.tsx
function Sf({ index: e }) {
	let t = e.info.name, { classes: n, relevance: r } = e.info;
	return /* @__PURE__ */ K("ul", {
		class: "additions",
		role: "list",
		children: [
			/* @__PURE__ */ K(wf, {
				name: "Labels",
				says: "a phrase for each component that fits better than chance",
				of: e.labels.value,
				command: `semlens label ${t} --vocabulary FILE --save`,
				children: (t) => `${H(t.label.reduce((e, t) => e + +(t >= 0), 0))} of ${V(e.count, "component")} have one; at most ${t.fdr * 100} % of them by chance`
			}),
			/* @__PURE__ */ K(wf, {
				name: "Measures",
				says: "clarity, polysemanticity, redundancy",
				of: e.scores.value,
				command: `semlens score ${t} --save`,
				children: () => "of every component and layer, beside chance"
			}),
			/* @__PURE__ */ K(wf, {
				name: "Map",
				says: "all components in two dimensions",
				of: e.atlas.value,
				command: `semlens atlas ${t} --save`,
				children: (e) => `${V(e.names.length, "cluster")}, drawn by ${e.drawing === "umap" ? "UMAP" : "principal components"}`
			}),
			/* @__PURE__ */ K(wf, {
				name: "Relevance",
				says: "what each component contributes to the model’s outputs",
				of: r ? {
					state: "ready",
					value: r
				} : {
					state: "absent",
					why: "None was computed."
				},
				command: "semlens build … --classes NAMES --resume",
				children: (e) => `for ${V(n.length, "class", "classes")}, by ${e.method}, ${Cf(e.of)}`
			})
		]
	});
}
function Cf(e) {
	return {
		label: "over the images that are labelled so",
		predicted: "over the images that are predicted so",
		all: "over all images"
	}[e] ?? e;
}
function wf({ name: e, says: t, of: n, command: r, children: i }) {
	let a = {
		ready: "✓",
		loading: "…",
		absent: "–"
	}[n.state];
	return /* @__PURE__ */ K("li", {
		class: n.state,
		children: [/* @__PURE__ */ K("span", {
			class: "sign",
			"aria-hidden": "true",
			children: a
		}), /* @__PURE__ */ K("div", { children: [
			/* @__PURE__ */ K("strong", { children: e }),
			" ",
			/* @__PURE__ */ K("span", {
				class: "soft",
				children: t
			}),
			/* @__PURE__ */ K("br", {}),
			n.state === "ready" && i(n.value),
			n.state === "loading" && (n.job ? `being computed: ${n.job.step}` : "on the way"),
			n.state === "absent" && /* @__PURE__ */ K(T, { children: [n.why, /* @__PURE__ */ K("code", {
				class: "command",
				children: r
			})] })
		] })]
	});
}
// src/about/licence.ts
var Tf = /^(mit|apache[- ]?2(\.0)?|apache|bsd([- ][0-3]([- ]clause)?)?|isc|cc0([- ]1\.0)?|cc[- ]by[- ]?4\.0|unlicense|public domain|zlib)$/i;
function Ef(e) {
	let t = e.trim();
	return !t || /^unknown$/i.test(t) ? "unknown" : Tf.test(t) ? "permissive" : "other";
}
// src/about/Tree.tsx
function Df({ of: e }) {
	return /* @__PURE__ */ K("dl", {
		class: "tree",
		children: Object.entries(e).map(([e, t]) => /* @__PURE__ */ K("div", { children: [/* @__PURE__ */ K("dt", { children: e.replaceAll("_", " ") }), /* @__PURE__ */ K("dd", { children: /* @__PURE__ */ K(Of, { of: t }) })] }, e))
	});
}
function Of({ of: e }) {
	if (e == null || e === "") return /* @__PURE__ */ K("span", {
		class: "soft",
		children: "none"
	});
	if (Array.isArray(e)) return e.every((e) => typeof e != "object") ? /* @__PURE__ */ K("bdi", { children: e.join(", ") || "none" }) : /* @__PURE__ */ K(Df, { of: Object.fromEntries(e.entries()) });
	if (typeof e == "object") return /* @__PURE__ */ K(Df, { of: e });
	let t = String(e);
	return t.includes("\n") ? /* @__PURE__ */ K("pre", { children: t }) : /* @__PURE__ */ K("bdi", { children: t });
}
// src/views/About.tsx
function kf() {
	let e = B(), t = e.index.value, { info: n } = t;
	return /* @__PURE__ */ K("article", {
		class: "about",
		children: [
			/* @__PURE__ */ K("h1", { children: ["About ", /* @__PURE__ */ K("bdi", { children: n.name })] }),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "A concept index says what each component of a model reacts to: its strongest examples, placed in the space of a foundation model that relates pictures to words. Everything that determines it stands here."
			}),
			/* @__PURE__ */ K(Af, { info: n }),
			/* @__PURE__ */ K("section", {
				class: "panel",
				"aria-label": "At a glance",
				children: [/* @__PURE__ */ K("h2", { children: "At a glance" }), /* @__PURE__ */ K(jf, {
					info: n,
					version: e.session.version
				})]
			}),
			/* @__PURE__ */ K("section", {
				class: "panel",
				"aria-label": "Layers",
				children: [/* @__PURE__ */ K("h2", { children: "Layers" }), /* @__PURE__ */ K(Mf, { info: n })]
			}),
			/* @__PURE__ */ K("section", {
				class: "panel",
				"aria-label": "What there is besides",
				children: [/* @__PURE__ */ K("h2", { children: "What there is besides" }), /* @__PURE__ */ K(Sf, { index: t })]
			}),
			/* @__PURE__ */ K("section", {
				class: "panel",
				"aria-label": "Recipe",
				children: /* @__PURE__ */ K("details", { children: [/* @__PURE__ */ K("summary", { children: [
					/* @__PURE__ */ K("h2", { children: "Recipe" }),
					" ",
					/* @__PURE__ */ K("span", {
						class: "soft",
						children: "all that determined what the index holds"
					})
				] }), /* @__PURE__ */ K(Df, { of: n.recipe })] })
			})
		]
	});
}
function Af({ info: e }) {
	let { licence: t, name: n } = e.foundation, r = Ef(t);
	return r === "permissive" ? null : /* @__PURE__ */ K("section", {
		class: "panel warning",
		role: "note",
		"aria-label": "Licence",
		children: [/* @__PURE__ */ K("h2", { children: r === "unknown" ? "The licence of the foundation model is unknown" : "The foundation model’s licence sets terms" }), /* @__PURE__ */ K("p", { children: [
			"Labels, searches and audits of this index rest on ",
			/* @__PURE__ */ K("bdi", { children: n }),
			r === "unknown" ? ", whose source does not say under which licence its weights are. Find out before you use its results outside of research." : /* @__PURE__ */ K(T, { children: [
				", whose weights are under ",
				/* @__PURE__ */ K("strong", { children: t }),
				". Read its terms before you use its results: some forbid commercial or medical use."
			] })
		] })]
	});
}
function jf({ info: e, version: t }) {
	let n = e.layers.reduce((e, t) => e + t.dead, 0);
	return /* @__PURE__ */ K("dl", {
		class: "facts",
		children: [
			["Studied model", e.model],
			["Images", `${H(e.images.count)} of ${e.images.source}${e.images.unreadable ? `; ${H(e.images.unreadable)} could not be read` : ""}`],
			["Components", `${H(e.components)} in ${V(e.layers.length, "layer")}${n ? `, of which ${H(n)} ${n === 1 ? "is" : "are"} dead` : ""}`],
			["Examples", `up to ${e.k} of each component; cropped by: ${e.crop}`],
			["Foundation model", `${e.foundation.name}, ${H(e.foundation.dimension)} dimensions`],
			["Its licence", e.foundation.licence || "unknown"],
			["Its digest", e.foundation.digest],
			["Digest of the index", e.digest],
			["Shown by", `semlens ${t}`]
		].map(([e, t]) => /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("dt", { children: e }), /* @__PURE__ */ K("dd", { children: /* @__PURE__ */ K("bdi", { children: t }) })] }))
	});
}
function Mf({ info: e }) {
	let { place: t } = B();
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("p", {
		class: "soft",
		children: "A dead component tells no two images apart: it has no example and is left out everywhere."
	}), /* @__PURE__ */ K("div", {
		class: "wide",
		children: /* @__PURE__ */ K("table", {
			class: "plain",
			children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
				/* @__PURE__ */ K("th", {
					scope: "col",
					children: "Layer"
				}),
				/* @__PURE__ */ K("th", {
					scope: "col",
					children: "Kind"
				}),
				/* @__PURE__ */ K("th", {
					scope: "col",
					class: "number",
					children: "Components"
				}),
				/* @__PURE__ */ K("th", {
					scope: "col",
					class: "number",
					children: "Dead"
				}),
				e.layers.some((e) => Cn(e.kind)) && /* @__PURE__ */ K("th", {
					scope: "col",
					class: "number",
					title: "the part of the layer’s variance that the dictionary does not give back (FVU)",
					children: "Unexplained"
				})
			] }) }), /* @__PURE__ */ K("tbody", { children: e.layers.map((n) => /* @__PURE__ */ K("tr", { children: [
				/* @__PURE__ */ K("th", {
					scope: "row",
					children: [/* @__PURE__ */ K("a", {
						href: t.href([], { layers: n.layer }),
						children: /* @__PURE__ */ K("bdi", { children: n.layer })
					}), n.outputs && /* @__PURE__ */ K("small", {
						class: "soft",
						children: " outputs"
					})]
				}),
				/* @__PURE__ */ K("td", { children: n.kind }),
				/* @__PURE__ */ K("td", {
					class: "number",
					children: H(n.stop - n.start)
				}),
				/* @__PURE__ */ K("td", {
					class: "number",
					children: [
						H(n.dead),
						" (",
						G(n.dead / (n.stop - n.start)),
						")"
					]
				}),
				e.layers.some((e) => Cn(e.kind)) && /* @__PURE__ */ K("td", {
					class: "number",
					children: G(Cn(n.kind)?.unexplained)
				})
			] }, n.layer)) })]
		})
	})] });
}
// src/compare/Changes.tsx
var Nf = 12, Pf = {
	gone: "gone",
	new: "new",
	fewer: "fewer",
	more: "more",
	same: "as many"
};
function Ff({ comparison: e }) {
	let [t, n] = O(!1), { changes: r, no_changes: i } = e;
	if (!r.length) return i ? /* @__PURE__ */ K("p", {
		class: "hint",
		children: [
			"What changed label by label is not told: ",
			i,
			"."
		]
	}) : null;
	let a = r.some((e) => e.untrained !== null), o = ["gone", "new"].map((e) => V(r.filter((t) => t.change === e).length, "label") + ` ${e}`);
	return /* @__PURE__ */ K("section", {
		"aria-label": "What changed",
		children: [
			/* @__PURE__ */ K("h2", { children: "What changed, label by label" }),
			/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					"From A to B: ",
					o.join(", "),
					" of ",
					H(r.length),
					" that either has. A label is counted where it fits better than chance; what most of its components’ best matches on the other side are called stands last."
				]
			}),
			/* @__PURE__ */ K("div", {
				class: "changes",
				tabIndex: 0,
				role: "region",
				"aria-label": "Labels; scrolls",
				children: /* @__PURE__ */ K("table", {
					class: "plain",
					children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
						/* @__PURE__ */ K("th", {
							scope: "col",
							children: "Label"
						}),
						/* @__PURE__ */ K("th", {
							scope: "col",
							children: "from A to B"
						}),
						/* @__PURE__ */ K("th", {
							scope: "col",
							class: "number",
							children: "A"
						}),
						/* @__PURE__ */ K("th", {
							scope: "col",
							class: "number",
							children: "B"
						}),
						a && /* @__PURE__ */ K("th", {
							scope: "col",
							class: "number",
							title: "components of the untrained network that have it",
							children: "untrained"
						}),
						/* @__PURE__ */ K("th", {
							scope: "col",
							children: "most became"
						}),
						/* @__PURE__ */ K("th", {
							scope: "col",
							children: "some of them"
						})
					] }) }), /* @__PURE__ */ K("tbody", { children: (t ? r : r.slice(0, Nf)).map((t) => /* @__PURE__ */ K(If, {
						change: t,
						comparison: e,
						twin: a
					}, t.label)) })]
				})
			}),
			r.length > Nf && /* @__PURE__ */ K("button", {
				type: "button",
				class: "link",
				onClick: () => n(!t),
				children: t ? "Show fewer" : `Show all ${V(r.length, "label")}`
			})
		]
	});
}
function If({ change: e, comparison: t, twin: n }) {
	let r = B(), i = r.indexes[t.sides[e.side].index], [a] = e.rows;
	return /* @__PURE__ */ K("tr", {
		class: e.change,
		children: [
			/* @__PURE__ */ K("th", {
				scope: "row",
				children: /* @__PURE__ */ K("bdi", { children: e.label })
			}),
			/* @__PURE__ */ K("td", {
				class: "change",
				children: Pf[e.change]
			}),
			/* @__PURE__ */ K("td", {
				class: "number",
				children: H(e.before)
			}),
			/* @__PURE__ */ K("td", {
				class: "number",
				children: H(e.after)
			}),
			n && /* @__PURE__ */ K("td", {
				class: "number",
				children: e.untrained === null ? "" : H(e.untrained)
			}),
			/* @__PURE__ */ K("td", { children: e.before === 0 ? "" : e.became ? /* @__PURE__ */ K("bdi", { children: e.became }) : /* @__PURE__ */ K("i", { children: "no label" }) }),
			/* @__PURE__ */ K("td", { children: a !== void 0 && /* @__PURE__ */ K("a", {
				href: Ln(r, i, a),
				"aria-label": `${e.label}: ${i.id(a)}`,
				children: /* @__PURE__ */ K(Br, {
					index: i,
					row: a,
					count: 3
				})
			}) })
		]
	});
}
// src/table/fitted.ts
var Lf = null;
function Rf(e, t, n = 400) {
	return Lf ??= document.createElement("canvas").getContext("2d"), Lf ? (Lf.font = `${n} ${t}px system-ui, sans-serif`, Lf.measureText(e).width) : e.length * t * .6;
}
function zf(e, t, n, r = "end", i = 400) {
	if (Rf(e, n, i) <= t) return e;
	let a = Array.from(e), o = 0, s = a.length, c = (e) => r === "end" ? `${a.slice(0, e).join("").trimEnd()}…` : `…${a.slice(a.length - e).join("")}`;
	for (; o < s;) {
		let e = o + s + 1 >> 1;
		Rf(c(e), n, i) <= t ? o = e : s = e - 1;
	}
	return c(o);
}
function Bf(e, t, n, r, i = 400) {
	let a = e.split(/\s+/).filter(Boolean), o = [];
	for (; a.length && o.length < r;) {
		let e = a.shift();
		for (; a.length && Rf(`${e} ${a[0]}`, n, i) <= t;) e += ` ${a.shift()}`;
		let s = o.length === r - 1 && a.length ? ` ${a.join(" ")}` : "";
		o.push(zf(e + s, t, n, "end", i));
	}
	return o;
}
// src/compare/pairs.ts
function Vf({ matches: e }) {
	let t = /* @__PURE__ */ new Map();
	for (let { from: n, row: r, match: i, similarity: a, shared: o, q_value: s } of e) {
		let [e, c] = n === 0 ? [r, i] : [i, r], l = n === 0 ? "a" : "b", u = `${e} ${c}`, d = t.get(u);
		d ? (d.nearest = "both", d.shared[l] = o, d.q = Math.min(d.q ?? Infinity, s ?? Infinity)) : t.set(u, {
			a: e,
			b: c,
			similarity: a,
			nearest: l,
			shared: {
				a: null,
				b: null,
				[l]: o
			},
			q: s
		});
	}
	return [...t.values()].sort((e, t) => t.similarity - e.similarity || e.a - t.a || e.b - t.b);
}
function Hf(e, t) {
	return t === "all" ? !0 : t === "shared" ? e.shared.a === !0 || e.shared.b === !0 : e.shared[t] === !1;
}
function Uf({ matches: e }, t) {
	let n = e.filter((e) => e.from === t), r = n.filter((e) => e.shared).length;
	return {
		shared: r,
		unique: n.length - r
	};
}
// src/compare/Overview.tsx
var [Wf, Gf, Kf, qf, Jf] = [
	14,
	196,
	36,
	40,
	4
];
function Yf({ comparison: e, chart: t }) {
	let n = j(null), [r, i] = O(900), a = () => i(n.current?.clientWidth || 900);
	A(a, []), k(() => {
		let e = new ResizeObserver(a);
		return e.observe(n.current), () => e.disconnect();
	}, []);
	let o = r >= 640, s = o ? (r - Kf) / 2 : r, c = e.matches.reduce((e, t) => Math.min(e, t.similarity), 0), l = Math.min(c, ...e.pairs.map((e) => e.baseline_low ?? e.baseline));
	return /* @__PURE__ */ K("div", {
		class: "overview",
		ref: n,
		children: /* @__PURE__ */ K("svg", {
			ref: t,
			viewBox: `0 0 ${r} ${o ? Gf : 2 * Gf}`,
			width: r,
			height: o ? Gf : 2 * Gf,
			role: "img",
			"aria-label": [0, 1].map((t) => Zf(e, t)).join(" "),
			children: [0, 1].map((t) => /* @__PURE__ */ K("g", {
				transform: o ? `translate(${t * (s + Kf)} 0)` : `translate(0 ${t * Gf})`,
				children: /* @__PURE__ */ K(Qf, {
					comparison: e,
					from: t,
					wide: s,
					low: l
				})
			}, t))
		})
	});
}
function Xf({ sides: e, pairs: t }, n) {
	return t.find((t) => t.source === e[n].name) ?? t[n];
}
function Zf(e, t) {
	let n = Xf(e, t), { shared: r, unique: i } = Uf(e, t);
	return `How much of ${"AB"[t]} is in ${"BA"[t]}: similarity ${U(n.similarity)}, 95 % interval ${U(n.low)} to ${U(n.high)}, random ${U(n.baseline)}${n.untrained === null ? "" : `, untrained ${U(n.untrained)}`}; ${H(r)} shared, ${H(i)} unique.`;
}
function Qf({ comparison: e, from: t, wide: n, low: r }) {
	let i = Xf(e, t), { shared: a, unique: o } = Uf(e, t), s = (e) => Jf + (e - r) / (1 - r) * (n - 2 * Jf), c = {
		low: i.baseline_low ?? i.baseline,
		high: i.baseline_high ?? i.baseline
	}, l = Gf - 22;
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("title", { children: Zf(e, t) }),
		/* @__PURE__ */ K("text", {
			class: "head",
			x: Jf,
			y: 15,
			children: [
				"How much of ",
				"AB"[t],
				" is in ",
				"BA"[t]
			]
		}),
		/* @__PURE__ */ K($f, {
			pair: i,
			room: n
		}),
		/* @__PURE__ */ K("rect", {
			class: "ground",
			x: s(r),
			y: 46,
			width: s(1) - s(r),
			height: Wf
		}),
		/* @__PURE__ */ K("rect", {
			class: "bar",
			x: s(0),
			y: 46,
			width: Math.max(0, s(i.similarity) - s(0)),
			height: Wf
		}),
		/* @__PURE__ */ K("rect", {
			class: "chance",
			x: s(c.low),
			y: 41,
			width: Math.max(2, s(c.high) - s(c.low)),
			height: Wf + 10
		}),
		i.untrained !== null && /* @__PURE__ */ K("path", {
			class: "untrained",
			d: `M${s(i.untrained)} 38v${Wf + 16}`
		}),
		i.low !== null && i.high !== null && /* @__PURE__ */ K("path", {
			class: "interval",
			d: `M${s(i.low)} ${46 + Wf / 2}H${s(i.high)}M${s(i.low)} 48v${Wf - 4}M${s(i.high)} 48v${Wf - 4}`
		}),
		/* @__PURE__ */ K(ep, {
			comparison: e,
			from: t,
			low: r,
			x: s,
			top: 96,
			floor: l
		}),
		/* @__PURE__ */ K("text", {
			class: "small",
			x: Jf,
			y: 86,
			children: [
				/* @__PURE__ */ K("tspan", {
					class: "key shared",
					children: "■"
				}),
				" ",
				H(a),
				" shared ",
				/* @__PURE__ */ K("tspan", {
					class: "key unique",
					children: "■"
				}),
				" ",
				H(o),
				" unique to ",
				"AB"[t]
			]
		}),
		/* @__PURE__ */ K("path", {
			class: "axis",
			d: `M${s(r)} ${l}H${s(1)}`
		}),
		[
			r,
			(1 + r) / 2,
			1
		].map((e, t) => /* @__PURE__ */ K("text", {
			class: "tick",
			x: s(e),
			y: l + 15,
			"text-anchor": [
				"start",
				"middle",
				"end"
			][t],
			children: t === 1 ? `similarity ${U(e)}` : U(e)
		}, t))
	] });
}
function $f({ pair: e, room: t }) {
	let n = U(e.similarity), r = `${e.low === null ? "" : ` (${U(e.low)} – ${U(e.high)})`}; by chance ${U(e.baseline_low ?? e.baseline)} – ${U(e.baseline_high ?? e.baseline)}${e.untrained === null ? "" : `, untrained ${U(e.untrained)}`}`;
	return /* @__PURE__ */ K("text", {
		class: "small",
		x: Jf,
		y: 34,
		children: [/* @__PURE__ */ K("tspan", {
			class: "figure",
			children: n
		}), zf(r, t - Rf(n, 13, 600) - 12, 12)]
	});
}
function ep({ comparison: e, from: t, low: n, x: r, top: i, floor: a }) {
	let o = Array.from({ length: qf }, () => ({
		shared: 0,
		unique: 0
	}));
	for (let r of e.matches) {
		if (r.from !== t) continue;
		let e = Math.min(qf - 1, Math.max(0, Math.floor((r.similarity - n) / (1 - n) * qf)));
		o[e][r.shared ? "shared" : "unique"]++;
	}
	let s = Math.max(1, ...o.map((e) => e.shared + e.unique)), c = (1 - n) / qf;
	return /* @__PURE__ */ K(T, { children: o.map(({ shared: e, unique: t }, o) => {
		let l = n + o * c, u = r(l) + .5, d = r(l + c) - r(l) - 1, [f, p] = [t, e].map((e) => e / s * (a - i));
		return /* @__PURE__ */ K("g", { children: [
			/* @__PURE__ */ K("title", { children: `similarity ${U(l)} to ${U(l + c)}: ${H(e)} shared, ${H(t)} unique` }),
			t > 0 && /* @__PURE__ */ K("rect", {
				class: "unique",
				x: u,
				y: a - f,
				width: d,
				height: f
			}),
			e > 0 && /* @__PURE__ */ K("rect", {
				class: "shared",
				x: u,
				y: a - f - p,
				width: d,
				height: p
			})
		] }, o);
	}) });
}
// src/table/virtual.ts
var tp = 12e6, np = 6;
function rp(e, t, n) {
	let r = j(null), [i, a] = O(0), [o, s] = O(600), c = e * t, l = Math.min(c, tp), u = Math.max(t, o - n), d = l > u ? (c - u) / (l - u) : 1;
	A(() => {
		let e = r.current;
		if (!e) return;
		let t = () => s(e.clientHeight);
		t();
		let n = new ResizeObserver(t);
		return n.observe(e), () => n.disconnect();
	}, []), k(() => {
		let e = r.current;
		if (!e) return;
		let t = () => a(e.scrollTop);
		return e.addEventListener("scroll", t, { passive: !0 }), () => e.removeEventListener("scroll", t);
	}, []);
	let f = Math.min(i, Math.max(0, l - u)), p = f * d, m = Math.max(0, Math.floor(p / t) - np), h = Math.min(e, Math.ceil((p + u) / t) + np), g = Ie((e) => {
		let i = r.current;
		if (!i) return;
		let a = i.scrollTop * d, o = Math.max(Math.min(a, e * t), (e + 1) * t - Math.max(t, i.clientHeight - n));
		o !== a && (i.scrollTop = o / d);
	}, [
		t,
		n,
		d
	]);
	return {
		box: r,
		first: m,
		last: h,
		span: l,
		top: f - (p - m * t),
		page: Math.max(1, Math.floor(u / t)),
		reveal: g
	};
}
// src/compare/PairList.tsx
var ip = 76, ap = {
	both: {
		sign: "↔",
		says: "each is the most similar to the other"
	},
	a: {
		sign: "→",
		says: "B's is the most similar to A's, which is not so the other way round"
	},
	b: {
		sign: "←",
		says: "A's is the most similar to B's, which is not so the other way round"
	}
};
function op({ pairs: e, a: t, b: n }) {
	let r = B(), i = rp(e.length, ip, 0), a = j(e);
	k(() => {
		a.current !== e && i.box.current?.scrollTo({ top: 0 }), a.current = e;
	}, [e]);
	let o = e.slice(i.first, i.last);
	return /* @__PURE__ */ K("div", {
		class: "pairs",
		ref: i.box,
		tabIndex: 0,
		role: "region",
		"aria-label": "Pairs; scrolls",
		style: { "--high": `${ip}px` },
		onMouseLeave: () => r.pointed.value = null,
		children: /* @__PURE__ */ K("div", {
			style: { height: `${i.span}px` },
			children: /* @__PURE__ */ K("ul", {
				class: "drawn",
				role: "list",
				style: { transform: `translateY(${i.top}px)` },
				children: o.map((r, a) => /* @__PURE__ */ K("li", {
					"aria-posinset": i.first + a + 1,
					"aria-setsize": e.length,
					children: [
						/* @__PURE__ */ K(sp, {
							side: "a",
							index: t,
							row: r.a
						}),
						/* @__PURE__ */ K(cp, { pair: r }),
						/* @__PURE__ */ K(sp, {
							side: "b",
							index: n,
							row: r.b
						})
					]
				}, `${r.a} ${r.b}`))
			})
		})
	});
}
function sp({ side: e, index: t, row: n }) {
	let r = B(), { pointed: i } = r, a = Ct(() => i.value?.index === t.number && i.value.row === n).value, o = () => r.pointed.value = {
		index: t.number,
		row: n
	}, s = t.label(n) ?? t.names.get(n);
	return /* @__PURE__ */ K("a", {
		class: `half ${e} ${a ? "pointed" : ""}`,
		href: Ln(r, t, n),
		onMouseEnter: o,
		onFocus: o,
		children: [/* @__PURE__ */ K(Br, {
			index: t,
			row: n,
			count: 3
		}), /* @__PURE__ */ K("span", {
			class: "called",
			children: [s ? /* @__PURE__ */ K("b", {
				title: s,
				children: /* @__PURE__ */ K("bdi", { children: s })
			}) : /* @__PURE__ */ K("i", { children: t.labels.value.state === "loading" ? "…" : "no label" }), /* @__PURE__ */ K("small", { children: /* @__PURE__ */ K("bdi", { children: Sn(t.id(n)) }) })]
		})]
	});
}
function cp({ pair: e }) {
	let { sign: t, says: n } = ap[e.nearest], r = e.shared.a === !0 || e.shared.b === !0;
	return /* @__PURE__ */ K("span", {
		class: `between ${r ? "shared" : "unique"}`,
		children: [
			/* @__PURE__ */ K("span", {
				class: "value",
				children: U(e.similarity)
			}),
			/* @__PURE__ */ K("span", {
				class: "ground",
				"aria-hidden": "true",
				children: /* @__PURE__ */ K("span", { style: { width: `${100 * Math.max(0, e.similarity)}%` } })
			}),
			/* @__PURE__ */ K("span", {
				class: "kind",
				title: n,
				children: [
					/* @__PURE__ */ K("span", {
						role: "img",
						"aria-label": n,
						children: t
					}),
					" ",
					r ? "shared" : e.shared.a === !1 && e.shared.b === !1 ? "chance" : `only ${e.shared.a === !1 ? "A" : "B"}`
				]
			})
		]
	});
}
// src/compare/Sides.tsx
function lp({ a: e, b: t }) {
	let n = B(), r = n.indexes.length > 1, [i, a] = r ? n.indexes : [n.indexes[0], n.indexes[0]];
	return /* @__PURE__ */ K("div", {
		class: "tools sides",
		children: [
			/* @__PURE__ */ K(up, {
				letter: "a",
				index: i,
				layer: e,
				without: r ? "" : t,
				all: r
			}),
			!r && /* @__PURE__ */ K("button", {
				type: "button",
				class: "button",
				"aria-label": "Swap the two sides",
				title: "Swap the two sides",
				onClick: () => n.place.set({
					a: t,
					b: e
				}),
				children: "⇄"
			}),
			/* @__PURE__ */ K(up, {
				letter: "b",
				index: a,
				layer: t,
				without: r ? "" : e,
				all: r
			})
		]
	});
}
function up({ letter: e, index: t, layer: n, without: r, all: i }) {
	let { place: a } = B();
	return /* @__PURE__ */ K("label", {
		class: `side ${e}`,
		children: [
			/* @__PURE__ */ K("span", {
				class: "letter",
				children: e.toUpperCase()
			}),
			i && /* @__PURE__ */ K("b", { children: /* @__PURE__ */ K("bdi", { children: t.info.name }) }),
			/* @__PURE__ */ K("select", {
				"aria-label": `Layer of side ${e.toUpperCase()}`,
				value: n,
				onChange: (t) => a.set({ [e]: t.currentTarget.value }),
				children: [i && /* @__PURE__ */ K("option", {
					value: "",
					children: "all layers"
				}), t.info.layers.map((e) => /* @__PURE__ */ K("option", {
					value: e.layer,
					disabled: e.layer === r,
					children: Sn(e.layer)
				}, e.layer))]
			})
		]
	});
}
// src/compare/ask.ts
var dp = /* @__PURE__ */ new WeakMap();
function fp(e, t, n) {
	let r = `compare?${new URLSearchParams({
		...t && { a: t },
		...n && { b: n }
	})}`.replace(/\?$/, ""), i = dp.get(e) ?? /* @__PURE__ */ new Map();
	dp.set(e, i);
	let a = i.get(r) ?? Bt(async () => R(await e.transport.get(r)));
	return i.set(r, a), k(() => () => {
		a.peek().state === "absent" && i.delete(r);
	}, [r]), a.value;
}
// src/views/Compare.tsx
function pp() {
	let e = B();
	return /* @__PURE__ */ K("div", {
		class: "compare-view",
		children: [
			/* @__PURE__ */ K("h1", { children: "Compare" }),
			/* @__PURE__ */ K("p", {
				class: "explains",
				children: "How much of what one model, or one layer, has learned is in another: each component beside its nearest on the other side."
			}),
			mp(e.indexes, e.session.comparable) ?? /* @__PURE__ */ K(hp, {})
		]
	});
}
function mp(e, t) {
	let [n, r] = e;
	return r && !t ? /* @__PURE__ */ K("div", {
		class: "absent",
		children: [/* @__PURE__ */ K("p", { children: [
			/* @__PURE__ */ K("bdi", { children: n.info.name }),
			" was described by the foundation model ",
			/* @__PURE__ */ K("bdi", { children: n.info.foundation.name }),
			" and ",
			/* @__PURE__ */ K("bdi", { children: r.info.name }),
			" by ",
			/* @__PURE__ */ K("bdi", { children: r.info.foundation.name }),
			n.info.foundation.name === r.info.foundation.name && " with other weights",
			": each places pictures in a space of its own, and a distance between two such spaces means nothing."
		] }), /* @__PURE__ */ K("p", { children: "Build one of the indexes again with the foundation model of the other, and open both with `semlens serve A B`." })]
	}) : !r && n.info.layers.length < 2 ? /* @__PURE__ */ K("p", {
		class: "absent",
		children: "This index has a single layer, so there is nothing to hold it against. Open two indexes with `semlens serve A B`."
	}) : null;
}
function hp() {
	let e = B(), t = e.place.route.value.params, n = e.indexes.length > 1, r = e.indexes[0].info.layers.map((e) => e.layer), i = t.get("a") ?? (n ? "" : r.find((e) => e !== t.get("b"))), a = t.get("b") ?? (n ? "" : r.findLast((e) => e !== i)), o = fp(e, i, a);
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K(lp, {
		a: i,
		b: a
	}), /* @__PURE__ */ K("div", {
		class: "held",
		children: /* @__PURE__ */ K(Hn, {
			of: o,
			what: "comparison",
			children: (e) => /* @__PURE__ */ K(gp, { comparison: e })
		})
	})] });
}
function gp({ comparison: e }) {
	let t = B(), { place: n } = t, r = n.route.value.params, i = j(null), [a, o] = e.sides.map((e) => t.indexes[e.index]), s = [
		"shared",
		"a",
		"b"
	].find((e) => e === r.get("show")) ?? "all", c = r.get("sort") === "similarity", l = M(() => Vf(e), [e]), u = t.kept.value, d = t.index.value, f = M(() => l.filter((e) => _p(e, a, o, d, u)), [
		l,
		u,
		d
	]), p = M(() => {
		let e = f.filter((e) => Hf(e, s));
		return c ? e.reverse() : e;
	}, [
		f,
		s,
		c
	]), m = [
		["all", "All pairs"],
		["shared", "Shared"],
		["a", "Unique to A"],
		["b", "Unique to B"]
	], h = `${e.sides.map((e) => e.name).join(" and ")} compared`, g = t.session.can.parquet ? [
		"csv",
		"json",
		"parquet"
	] : ["csv", "json"];
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K(Yf, {
			comparison: e,
			chart: i
		}),
		/* @__PURE__ */ K("div", {
			class: "key",
			children: [/* @__PURE__ */ K("p", {
				class: "hint",
				children: [
					e.by === "encoding" ? "By encoding: two components are as similar as what their responses over all images predict correlates. " : "",
					"Bar: mean similarity of one side's components with their best match on the other, with its 95 % interval. Tall band: what as many random components reach. ",
					e.pairs.some((e) => e.untrained !== null) && "Dotted line: what as many components of the untrained network reach. ",
					"“Shared”: nearer than chance comes."
				]
			}), /* @__PURE__ */ K(Tl, {
				what: "the chart",
				kinds: ["svg", "png"],
				save: (e) => vn(i.current, h, e)
			})]
		}),
		/* @__PURE__ */ K(Ff, { comparison: e }),
		/* @__PURE__ */ K("div", {
			class: "tools",
			children: [
				/* @__PURE__ */ K("span", {
					class: "buttons",
					role: "group",
					"aria-label": "Which pairs",
					children: m.map(([e, t]) => /* @__PURE__ */ K("button", {
						type: "button",
						class: "button",
						"aria-pressed": s === e,
						onClick: () => n.set({ show: e === "all" ? null : e }, !0),
						children: [
							t,
							" ",
							/* @__PURE__ */ K("span", {
								class: "of",
								children: H(f.filter((t) => Hf(t, e)).length)
							})
						]
					}, e))
				}),
				/* @__PURE__ */ K("button", {
					type: "button",
					class: "button",
					onClick: () => n.set({ sort: c ? null : "similarity" }, !0),
					children: c ? "Least similar first ▲" : "Most similar first ▼"
				}),
				/* @__PURE__ */ K("p", {
					class: "how-many",
					role: "status",
					children: [/* @__PURE__ */ K("b", { children: V(p.length, "pair") }), f.length < l.length && " of components that pass your filters"]
				}),
				/* @__PURE__ */ K(Tl, {
					what: "the pairs",
					kinds: g,
					save: (e) => dn(h, vp(p, a, o), e, t)
				})
			]
		}),
		/* @__PURE__ */ K(op, {
			pairs: p,
			a,
			b: o
		})
	] });
}
function _p(e, t, n, r, i) {
	return t === r && i[e.a] === 1 || n === r && i[e.b] === 1;
}
function vp(e, t, n) {
	return {
		a: e.map((e) => t.id(e.a)),
		a_label: e.map((e) => t.label(e.a)),
		b: e.map((e) => n.id(e.b)),
		b_label: e.map((e) => n.label(e.b)),
		similarity: e.map((e) => e.similarity),
		nearest: e.map((e) => e.nearest),
		shared: e.map((e) => Hf(e, "shared")),
		q_value: e.map((e) => e.q)
	};
}
// src/graph/Legend.tsx
var yp = [
	{
		kind: "for",
		text: "speaks for"
	},
	{
		kind: "against",
		text: "speaks against"
	},
	{
		kind: "wider",
		text: "wider: more passes"
	},
	{
		kind: "unlabelled",
		text: "no label fits"
	},
	{
		kind: "others",
		text: "all others of a layer"
	}
], bp = (e) => 60 + Rf(e, 12), xp = 16 + yp.reduce((e, t) => e + bp(t.text), 0);
function Sp({ y: e }) {
	let t = 16;
	return /* @__PURE__ */ K("g", {
		class: "legend",
		transform: `translate(0 ${e})`,
		"aria-hidden": "true",
		children: yp.map(({ kind: e, text: n }) => {
			let r = t;
			return t += bp(n), /* @__PURE__ */ K("g", {
				transform: `translate(${r} 0)`,
				children: [e === "for" || e === "against" ? /* @__PURE__ */ K("path", {
					class: `edge ${e}`,
					d: "M0 0h30",
					"stroke-width": 4
				}) : e === "wider" ? /* @__PURE__ */ K("path", {
					class: "wedge",
					d: "M0 -1l30 -5v12l-30 -5z"
				}) : /* @__PURE__ */ K("g", {
					class: `node ${e}`,
					children: /* @__PURE__ */ K("rect", {
						class: "box",
						x: 0,
						y: -8,
						width: 30,
						height: 16,
						rx: 4
					})
				}), /* @__PURE__ */ K("text", {
					class: "small",
					x: 38,
					y: 4,
					children: n
				})]
			}, e);
		})
	});
}
// src/graph/NodeBox.tsx
var [Cp, Q] = [54, 10];
function wp({ box: e, most: t, look: n, pinned: r, where: i, onLight: a, onPin: o, onMove: s }) {
	let { node: c, wide: l, high: u } = e, d = c.others ? "others" : c.unlabelled ? "unlabelled" : c.layer ? "concept" : "output", f = c.layer && !c.others && c.rows.length > 0, p = f ? Q + Cp + 8 : Q, m = l - p - Q, h = Bf(c.label, m, 13, 2, 600);
	return /* @__PURE__ */ K("g", {
		class: `node ${d} ${n}`,
		transform: `translate(${e.x} ${e.y})`,
		tabindex: 0,
		role: "button",
		"aria-pressed": r,
		"data-place": `${i.rank} ${i.place}`,
		onMouseEnter: () => a(c),
		onMouseLeave: () => a(null),
		onFocus: () => a(c),
		onBlur: () => a(null),
		onClick: o,
		onKeyDown: (e) => {
			if (e.key === "Enter" || e.key === " ") o();
			else if (e.key === "Escape" && r) o();
			else if (!s(e.key, e.currentTarget)) return;
			e.preventDefault();
		},
		children: [/* @__PURE__ */ K("title", { children: Op(c) }), /* @__PURE__ */ K("g", {
			"aria-hidden": "true",
			children: [
				/* @__PURE__ */ K("rect", {
					class: "box",
					x: .5,
					y: .5,
					width: l - 1,
					height: u - 1,
					rx: 8
				}),
				f && /* @__PURE__ */ K(Tp, { row: c.rows[0] }),
				/* @__PURE__ */ K("text", {
					class: "name",
					x: p,
					y: h.length > 1 ? 23 : 31,
					children: h.map((e, t) => /* @__PURE__ */ K("tspan", {
						x: p,
						dy: t ? 16 : 0,
						children: e
					}, t))
				}),
				/* @__PURE__ */ K("text", {
					class: "small",
					x: p,
					y: 57,
					children: zf(Dp(c), m, 11.5)
				}),
				/* @__PURE__ */ K(Ep, {
					box: e,
					most: c.layer && !c.others ? t : Math.max(c.relevance, t)
				})
			]
		})]
	});
}
function Tp({ row: e }) {
	let t = B().index.value, n = t.base.crop[e] ?? -1, r = Zn(n < 0 ? null : t.at(`crop/${n}.webp`));
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("rect", {
		class: "thumb",
		x: Q,
		y: Q,
		width: Cp,
		height: Cp
	}), r && /* @__PURE__ */ K("image", {
		href: r,
		x: Q,
		y: Q,
		width: Cp,
		height: Cp,
		preserveAspectRatio: "xMidYMid slice"
	})] });
}
function Ep({ box: { node: e, wide: t, high: n }, most: r }) {
	let i = t - 2 * Q, a = (e) => Q + i * Math.min(1, e / r), o = n - 19;
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("rect", {
			class: "ground",
			x: Q,
			y: o,
			width: i,
			height: 6,
			rx: 1
		}),
		/* @__PURE__ */ K("rect", {
			class: "share for",
			x: Q,
			y: o,
			width: a(e.relevance) - Q,
			height: 6,
			rx: 1
		}),
		e.against > 0 && /* @__PURE__ */ K("rect", {
			class: "share against",
			x: Q,
			y: o + 8,
			width: a(e.against) - Q,
			height: 3,
			rx: 1
		}),
		e.low !== null && e.high !== null && /* @__PURE__ */ K("path", {
			class: "interval",
			d: `M${a(e.low)} ${o + 3}H${a(e.high)}M${a(e.low)} ${o}v6M${a(e.high)} ${o}v6`
		})
	] });
}
function Dp(e) {
	let t = G(e.relevance);
	return e.layer ? e.others ? t : e.unlabelled ? `${t} · no label` : `${t} · ${V(e.rows.length, "component")}` : `${t} for${e.against >= .005 ? `, ${G(e.against)} against` : ""}`;
}
function Op(e) {
	let t = e.low !== null && e.high !== null ? ` (95 % interval ${G(e.low)} to ${G(e.high)})` : "";
	return `${e.layer ? `${e.layer}, ` : "output, "}${e.unlabelled ? `${e.label}, no label fits` : e.label}: ${G(e.relevance)} for${t}, ${G(e.against)} against`;
}
// src/graph/Drawing.tsx
var kp = 30;
function Ap({ graph: e, layout: t, scale: n, lit: r, pinned: i, chart: a, onLight: o, onPin: s }) {
	let c = B().kept.value, l = new Set(r ? e.links.flatMap(({ source: e, target: t }) => e === r || t === r ? [e, t] : []) : []), u = Math.max(...e.nodes.map((e) => e.layer && !e.others ? e.high ?? e.relevance : 0), 1e-12), d = new Map(e.nodes.map((e) => [e.id, e.label])), [f, p] = [Math.max(t.width, xp), t.height + kp + 40];
	return /* @__PURE__ */ K("svg", {
		ref: a,
		class: `drawing ${r ? "lit" : ""} ${r && r === i ? "held" : ""}`,
		viewBox: `0 0 ${f} ${p}`,
		width: f * n,
		height: p * n,
		role: "group",
		"aria-label": `How ${e.output} comes about: ${e.nodes.length} nodes, ${e.links.length} edges`,
		onClick: (e) => e.target === e.currentTarget && s(null),
		children: [
			/* @__PURE__ */ K("text", {
				class: "title",
				x: 16,
				y: 24,
				children: zf(`How “${e.output}” comes about`, f - 32, 16, "end", 600)
			}),
			/* @__PURE__ */ K("g", {
				transform: `translate(0 ${kp})`,
				children: [
					t.names.map((e) => /* @__PURE__ */ K(jp, {
						...e,
						way: t.way,
						wide: t.ranks[0][0].wide
					}, e.layer)),
					t.lines.map((e) => /* @__PURE__ */ K(Mp, {
						line: e,
						names: d,
						near: !!r && (e.link.source === r || e.link.target === r)
					}, `${e.link.source}→${e.link.target}`)),
					t.ranks.map((e, n) => e.map((e, a) => /* @__PURE__ */ K(wp, {
						box: e,
						most: u,
						look: `${l.has(e.node.id) || r === e.node.id ? "near " : ""}${i === e.node.id ? "pinned " : ""}${e.node.rows.length && !e.node.rows.some((e) => c[e]) ? "filtered" : ""}`,
						pinned: i === e.node.id,
						where: {
							rank: n,
							place: a
						},
						onLight: o,
						onPin: () => s(i === e.node.id ? null : e.node),
						onMove: (e, r) => Np(t, n, a, e, r)
					}, e.node.id)))
				]
			}),
			/* @__PURE__ */ K(Sp, { y: p - 24 })
		]
	});
}
function jp({ layer: e, x: t, y: n, way: r, wide: i }) {
	if (!e) return null;
	if (r === "right") return /* @__PURE__ */ K("text", {
		class: "layer",
		x: t,
		y: n,
		children: [/* @__PURE__ */ K("title", { children: e }), zf(e, i, 13, "start", 600)]
	});
	let a = Bf(e.replaceAll(".", ". "), 100, 13, 3, 600);
	return /* @__PURE__ */ K("text", {
		class: "layer",
		y: n - 8 * (a.length - 1) + 4,
		children: [/* @__PURE__ */ K("title", { children: e }), a.map((e, n) => /* @__PURE__ */ K("tspan", {
			x: t,
			dy: n ? 16 : 0,
			children: e.replaceAll(". ", ".")
		}, n))]
	});
}
function Mp({ line: e, names: t, near: n }) {
	let { link: r, thick: i, strength: a, others: o, path: s } = e, c = r.weight >= 0 ? "for" : "against";
	return /* @__PURE__ */ K("path", {
		class: `edge ${c} ${o ? "others" : ""} ${n ? "near" : ""}`,
		d: s,
		"stroke-width": i.toFixed(1),
		"stroke-opacity": n ? .9 : .35 + .35 * a,
		children: /* @__PURE__ */ K("title", { children: `${t.get(r.source)} → ${t.get(r.target)}: share ${U(r.weight, 3)}, ${G(r.part)} of what comes in; speaks ${c}` })
	});
}
function Np(e, t, n, r, i) {
	let a = e.way === "right" ? {
		ArrowRight: 1,
		ArrowLeft: -1
	} : {
		ArrowUp: 1,
		ArrowDown: -1
	}, o = e.way === "right" ? {
		ArrowDown: 1,
		ArrowUp: -1
	} : {
		ArrowRight: 1,
		ArrowLeft: -1
	}, s = a[r] ?? 0, c = o[r] ?? 0;
	if (!s && !c) return !1;
	let l = Math.max(0, Math.min(e.ranks.length - 1, t + s)), u = e.ranks[l].length - 1, d = s ? Math.round(n / Math.max(1, e.ranks[t].length - 1) * u) : Math.max(0, Math.min(u, n + c));
	return i.closest("svg")?.querySelector(`[data-place="${l} ${d}"]`)?.focus(), !0;
}
// src/graph/Panel.tsx
var Pp = 24;
function Fp({ graph: e, node: t, onPin: n }) {
	return /* @__PURE__ */ K("aside", {
		class: "node-panel",
		"aria-label": "The chosen node",
		children: t ? /* @__PURE__ */ K(Lp, {
			graph: e,
			node: t,
			onPin: n
		}, t.id) : /* @__PURE__ */ K(Ip, { graph: e })
	});
}
function Ip({ graph: e }) {
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("h2", { children: "How to read it" }),
		/* @__PURE__ */ K("p", { children: [
			"A box is a concept: the components of one layer with the same label. Its bar shows ",
			/* @__PURE__ */ K("b", { children: "relevance" }),
			", the share of all that speaks for “",
			/* @__PURE__ */ K("bdi", { children: e.output }),
			"” in that layer that comes from them."
		] }),
		/* @__PURE__ */ K("p", { children: "Point at a box to see what flows in and out. Choose it, by a click or the Enter key, to see its components here." }),
		/* @__PURE__ */ K("p", {
			class: "soft",
			children: [
				"Means over ",
				V(e.images, "image"),
				" of the class."
			]
		})
	] });
}
function Lp({ graph: e, node: t, onPin: n }) {
	let r = e.links.filter((e) => e.target === t.id), i = e.links.filter((e) => e.source === t.id);
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("button", {
			type: "button",
			class: "bare-button",
			"aria-label": "Let go of this node",
			onClick: () => n(null),
			children: /* @__PURE__ */ K(q, { name: "clear" })
		}),
		/* @__PURE__ */ K("h2", { children: /* @__PURE__ */ K("bdi", { children: t.label }) }),
		/* @__PURE__ */ K("p", {
			class: "soft",
			children: [t.layer ? /* @__PURE__ */ K("bdi", { children: t.layer }) : "the output", t.unlabelled && ", no label fits: look at its examples"]
		}),
		/* @__PURE__ */ K("dl", { children: [
			/* @__PURE__ */ K("dt", { children: "speaks for" }),
			/* @__PURE__ */ K("dd", { children: [G(t.relevance), t.low !== null && t.high !== null && /* @__PURE__ */ K("span", {
				class: "soft",
				children: [
					" ",
					"(",
					G(t.low),
					" – ",
					G(t.high),
					")"
				]
			})] }),
			/* @__PURE__ */ K("dt", { children: "against" }),
			/* @__PURE__ */ K("dd", { children: G(t.against) }),
			t.affected.map((e) => /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("dt", { children: ["also for ", /* @__PURE__ */ K("bdi", { children: e.output })] }), /* @__PURE__ */ K("dd", { children: G(e.relevance) })] }))
		] }),
		t.rows.length > 0 && /* @__PURE__ */ K(Rp, { node: t }),
		/* @__PURE__ */ K(zp, {
			title: "Comes in from",
			links: r,
			end: "source",
			graph: e,
			onPin: n
		}),
		/* @__PURE__ */ K(zp, {
			title: "Goes on to",
			links: i,
			end: "target",
			graph: e,
			onPin: n
		})
	] });
}
function Rp({ node: e }) {
	let t = B(), n = t.index.value, [r, i] = O(!1), a = r ? e.rows : e.rows.slice(0, Pp);
	return /* @__PURE__ */ K("section", { children: [
		/* @__PURE__ */ K("h3", { children: V(e.rows.length, "component") }),
		/* @__PURE__ */ K("ul", {
			class: "thumbs",
			children: a.map((e) => /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("a", {
				href: Ln(t, n, e),
				title: n.id(e),
				onMouseEnter: () => t.pointed.value = {
					index: n.number,
					row: e
				},
				onMouseLeave: () => t.pointed.value = null,
				children: [/* @__PURE__ */ K(Qn, {
					path: n.base.crop[e] < 0 ? null : n.at(`crop/${n.base.crop[e]}.webp`),
					alt: ""
				}), /* @__PURE__ */ K("bdi", { children: n.id(e) })]
			}) }, e))
		}),
		a.length < e.rows.length && /* @__PURE__ */ K("button", {
			type: "button",
			class: "button",
			onClick: () => i(!0),
			children: ["Show all ", e.rows.length]
		}),
		/* @__PURE__ */ K("button", {
			type: "button",
			class: "button",
			onClick: () => {
				t.select(e.rows), t.told.value = `${V(e.rows.length, "component")} selected: every view shows only these`;
			},
			children: "Select these components"
		})
	] });
}
function zp({ title: e, links: t, end: n, graph: r, onPin: i }) {
	if (!t.length) return null;
	let a = Math.max(...t.map((e) => Math.abs(e.weight)), 1e-12);
	return /* @__PURE__ */ K("section", { children: [/* @__PURE__ */ K("h3", { children: e }), /* @__PURE__ */ K("ul", {
		class: "flows",
		children: t.map((e) => {
			let t = r.nodes.find((t) => t.id === e[n]), o = e.weight >= 0 ? "for" : "against";
			return /* @__PURE__ */ K("li", { children: /* @__PURE__ */ K("button", {
				type: "button",
				onClick: () => i(e[n]),
				children: [
					/* @__PURE__ */ K("bdi", { children: t?.label ?? e[n] }),
					/* @__PURE__ */ K("span", {
						class: `weight ${o}`,
						children: [o === "for" ? "+" : "−", U(Math.abs(e.weight), 3)]
					}),
					/* @__PURE__ */ K("span", {
						class: `stroke ${o}`,
						style: { width: `${100 * Math.abs(e.weight) / a}%` }
					})
				]
			}) }, e[n]);
		})
	})] });
}
// src/graph/layout.ts
var Bp = 16;
function Vp({ nodes: e, links: t, layouts: n }, r) {
	let { width: i, height: a, box: o, ranks: s, lines: c } = n[r], [l, u] = o, d = s.map((t) => t.map(({ node: t, x: n, y: r }) => ({
		node: e[t],
		x: n,
		y: r,
		wide: l,
		high: u
	}))), f = d.map(([e]) => ({
		layer: e.node.layer,
		...r === "right" ? {
			x: e.x,
			y: 28
		} : {
			x: Bp,
			y: e.y + u / 2
		}
	}));
	return {
		width: i,
		height: a,
		way: r,
		ranks: d,
		lines: c.map((e) => ({
			...e,
			link: t[e.link]
		})),
		names: f
	};
}
function Hp(e, t, n) {
	return Math.max(n, Math.min(1, e.width / t.width, e.height / t.height));
}
function Up({ ranks: e }) {
	let t = e[e.length - 1]?.[0];
	return t ? {
		x: t.x + t.wide / 2,
		y: t.y + t.high / 2
	} : null;
}
// src/graph/pan.ts
function Wp() {
	let e = j(null);
	return k(() => {
		let t = e.current, n = new AbortController(), r = (e, r) => t.addEventListener(e, r, { signal: n.signal }), i = null, a = () => {
			i = null, t.classList.remove("dragged");
		};
		return r("pointerdown", (e) => {
			e.pointerType !== "mouse" || e.button || e.target.closest(".node") || (i = {
				x: e.clientX,
				y: e.clientY,
				left: t.scrollLeft,
				top: t.scrollTop
			});
		}), r("pointermove", (e) => {
			if (i) {
				if (!e.buttons) return a();
				t.classList.add("dragged"), t.scrollTo(i.left + i.x - e.clientX, i.top + i.y - e.clientY);
			}
		}), r("pointerup", a), r("pointercancel", a), () => n.abort();
	}, []), e;
}
// src/graph/GraphFrame.tsx
var [Gp, Kp, qp] = [
	.3,
	2,
	1.25
], Jp = .85;
function Yp({ graph: e, children: t }) {
	let n = B(), { place: r } = n, i = n.index.value, a = r.route.value.params, o = a.get("dir") === "up" ? "up" : "right", s = M(() => Vp(e, o), [e, o]), c = j(null), l = Wp(), u = j(null), [d, f] = O(1), [p, m] = O(null), h = (e) => f(Hp({
		width: l.current.clientWidth - 4,
		height: l.current.clientHeight - 4
	}, s, e));
	A(() => h(Jp), [s]), k(() => {
		let e = Up(s);
		e && l.current.scrollTo({
			left: e.x * d - l.current.clientWidth / 2,
			top: e.y * d - l.current.clientHeight / 2
		});
	}, [s, d]);
	let g = (e) => f((t) => Math.max(Gp, Math.min(Kp, t * e))), _ = n.pointed.value, v = _?.index === i.number ? e.nodes.find((e) => !e.others && e.rows.includes(_.row)) : void 0, y = e.nodes.find((e) => e.id === a.get("node")) ?? null, b = (e) => {
		m(e), n.pointed.value = e && !e.others && e.rows.length ? {
			index: i.number,
			row: e.rows[0]
		} : null;
	}, x = (e) => {
		r.set({ node: e }, !0), e && requestAnimationFrame(() => u.current?.querySelector(".node-panel")?.scrollIntoView({ block: "nearest" }));
	}, S = `${i.info.name}-${e.output}-graph`;
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("div", {
			class: "tools",
			children: [
				t,
				/* @__PURE__ */ K("span", {
					class: "buttons",
					role: "group",
					"aria-label": "View of the graph",
					children: [
						/* @__PURE__ */ K("button", {
							type: "button",
							class: "button",
							"aria-label": o === "right" ? "Draw from the bottom up" : "Draw from left to right",
							title: o === "right" ? "Draw from the bottom up" : "Draw from left to right",
							onClick: () => r.set({ dir: o === "right" ? "up" : null }, !0),
							children: o === "right" ? "↑" : "→"
						}),
						/* @__PURE__ */ K("button", {
							type: "button",
							class: "button",
							"aria-label": "Smaller",
							onClick: () => g(1 / qp),
							children: "−"
						}),
						/* @__PURE__ */ K("button", {
							type: "button",
							class: "button",
							"aria-label": "Larger",
							onClick: () => g(qp),
							children: "+"
						}),
						/* @__PURE__ */ K("button", {
							type: "button",
							class: "button",
							onClick: () => h(Gp),
							children: "Fit"
						})
					]
				}),
				/* @__PURE__ */ K(Tl, {
					what: "the graph",
					kinds: [
						"svg",
						"png",
						"json"
					],
					save: async (t) => {
						t === "json" ? un(`${S}.json`, new Blob([Zp(e, i.id.bind(i))], { type: "application/json" })) : await vn(c.current, S, t);
					}
				})
			]
		}),
		/* @__PURE__ */ K("p", {
			class: "hint",
			children: Xp(e)
		}),
		/* @__PURE__ */ K("div", {
			class: "frame",
			ref: u,
			children: [/* @__PURE__ */ K("div", {
				class: "scroll",
				ref: l,
				tabIndex: 0,
				role: "region",
				"aria-label": "Graph; scrolls",
				children: /* @__PURE__ */ K(Ap, {
					graph: e,
					layout: s,
					scale: d,
					lit: (p ?? v ?? y)?.id ?? null,
					pinned: y?.id ?? null,
					chart: c,
					onLight: b,
					onPin: (e) => x(e?.id ?? null)
				})
			}), /* @__PURE__ */ K(Fp, {
				graph: e,
				node: y,
				onPin: x
			})]
		})
	] });
}
function Xp(e) {
	let t = `Shares of each layer's relevance, mean over ${H(e.images)} images`;
	if (!e.edge_images) return `${t}. Edges to the output only.`;
	let n = e.dropped_edges ? `; ${H(e.dropped_edges)} weak edges left out, with ${G(e.dropped)} of what passes` : "";
	return `${t}; between layers over ${H(e.edge_images)}${n}.`;
}
function Zp(e, t) {
	let { nodes: n, links: r, edges_possible: i, layouts: a, ...o } = e;
	return JSON.stringify({
		directed: !0,
		multigraph: !1,
		graph: o,
		nodes: n.map((e) => ({
			...e,
			components: e.rows.map(t)
		})),
		links: r
	}, null, 1);
}
// src/graph/ask.ts
var Qp = /* @__PURE__ */ new WeakMap(), $p = F({
	state: "loading",
	job: null
});
function em(e, t) {
	let n = e.index.value, r = t ? tm(e, n, t) : $p, i = t && nm(t);
	return k(() => () => {
		i && r.peek().state === "absent" && Qp.get(n)?.delete(i);
	}, [n, i]), r.value;
}
function tm(e, t, n) {
	let r = Qp.get(t) ?? /* @__PURE__ */ new Map();
	Qp.set(t, r);
	let i = nm(n), a = r.get(i) ?? Bt(async () => R(await e.transport.get(t.at(i))));
	return r.set(i, a), a;
}
function nm({ number: e, layers: t, edges: n }) {
	return `graph?class=${e}${t.length ? `&layers=${encodeURIComponent(t.join(","))}` : ""}&edges=${+!!n}`;
}
// src/ui/ClassPicker.tsx
function rm({ label: e = "Class" }) {
	let t = B(), n = t.index.value.info.classes;
	return n.length ? /* @__PURE__ */ K("label", {
		class: "class-picker",
		children: [/* @__PURE__ */ K("span", { children: e }), /* @__PURE__ */ K("select", {
			value: String(t.of.value),
			onChange: (e) => t.place.set({ class: e.currentTarget.value }),
			children: n.map((e) => /* @__PURE__ */ K("option", {
				value: String(e.number),
				disabled: !e.images,
				children: [e.name, e.images ? "" : " (no images)"]
			}, e.number))
		})]
	}) : null;
}
// src/views/Graph.tsx
function im() {
	let e = B(), { place: t } = e, n = e.index.value, r = e.of.value, i = t.route.value.params, a = e.layers().map((e) => n.info.layers[e]).filter((e) => !e.outputs).map((e) => e.layer), o = i.get("edges") === "1", s = M(() => r === null ? null : {
		number: r,
		layers: a,
		edges: !1
	}, [r, a.join()]), c = em(e, s), l = em(e, s && o ? {
		...s,
		edges: o
	} : null), u = o && l.state === "ready" ? l : c;
	return /* @__PURE__ */ K("div", {
		class: "graph-view",
		children: [
			/* @__PURE__ */ K("h1", { children: "Graph" }),
			/* @__PURE__ */ K("p", {
				class: "explains",
				children: "How the model arrives at a class: the concepts of each layer, from the image to the output, and how much each speaks for it."
			}),
			r === null ? /* @__PURE__ */ K("p", {
				class: "absent",
				children: "This index holds no relevance, which says how much each component contributes to a class: build it with `--classes`, then a graph can be drawn."
			}) : /* @__PURE__ */ K(T, { children: [u.state !== "ready" && /* @__PURE__ */ K("div", {
				class: "tools",
				children: /* @__PURE__ */ K(rm, {})
			}), /* @__PURE__ */ K(Hn, {
				of: u,
				what: "graph",
				children: (e) => /* @__PURE__ */ K(Yp, {
					graph: e,
					children: [/* @__PURE__ */ K(rm, {}), /* @__PURE__ */ K(am, {
						possible: e.edges_possible,
						on: o,
						found: l
					})]
				})
			})] })
		]
	});
}
function am({ possible: e, on: t, found: n }) {
	let { place: r } = B();
	return e ? t ? n.state === "loading" ? /* @__PURE__ */ K(Un, {
		what: "edges",
		job: n.job
	}) : n.state === "absent" ? /* @__PURE__ */ K("p", {
		class: "absent",
		children: n.why
	}) : /* @__PURE__ */ K("button", {
		type: "button",
		class: "button",
		onClick: () => r.set({ edges: null }),
		children: "Without what passes between layers"
	}) : /* @__PURE__ */ K("button", {
		type: "button",
		class: "button",
		onClick: () => r.set({ edges: 1 }),
		children: "Compute what passes between layers"
	}) : /* @__PURE__ */ K("p", {
		class: "hint",
		children: "To see what passes between the layers as well, start the server with --model MODEL --images FOLDER."
	});
}
// src/own/ask.ts
function om(e, t) {
	let n = St(null);
	return k(() => {
		if (n.value = e && {
			state: "loading",
			job: null
		}, !e) return;
		let t = new AbortController();
		return zt(() => e(t.signal), n, t.signal), () => t.abort();
	}, t), n.value;
}
function sm(e, t, n) {
	let { transport: r } = B();
	return om(t ? async (i) => {
		let { arrays: a, metadata: o } = Ht(Lt(await r.get(e.at(`own?image=${t}${n && `&output=${n}`}`), i)));
		return {
			...a,
			names: JSON.parse(o.names),
			output: Number(o.output),
			warnings: JSON.parse(o.warnings)
		};
	} : null, [
		e,
		t,
		n
	]);
}
function cm(e, t) {
	let { transport: n } = B();
	return om(t ? async (r) => R(await n.get(e.at(`own/similar?image=${t}`), r)) : null, [e, t]);
}
function lm(e, t, n, r) {
	let { transport: i } = B();
	return om(t && n.length ? async () => R(await i.post(e.at(`own/without?image=${t}`), JSON.stringify({
		rows: n,
		setting: r
	}))) : null, [
		e,
		t,
		n.join(),
		r
	]);
}
function um(e, t, n, r) {
	let { transport: i } = B(), a = St(void 0);
	return k(() => {
		a.value = void 0;
		let o = new AbortController(), s = "", c = Lr(async () => {
			let c = { value: {
				state: "loading",
				job: null
			} };
			await zt(async () => Lt(await i.get(e.at(`own/heat.webp?image=${t}&output=${n}${r === null ? "" : `&row=${r}`}`), o.signal)), c, o.signal), o.signal.aborted || (c.value.state === "ready" && (s = URL.createObjectURL(new Blob([c.value.value], { type: "image/webp" }))), a.value = s || null);
		});
		return () => (c(), o.abort(), s && URL.revokeObjectURL(s));
	}, [
		e,
		t,
		n,
		r
	]), a.value;
}
async function dm(e, t, n) {
	let r = { value: {
		state: "loading",
		job: null
	} };
	return await zt(async () => {
		let { arrays: r, metadata: i } = Ht(Lt(await e.transport.get(t.at(`search?text=${encodeURIComponent(n)}`)))), a = r.effect ?? r.similarity, o = Number(r.effect ? i.chance : i.baseline);
		return Array.from(a.keys()).filter((e) => a[e] > o && !t.base.dead[e]).sort((e, t) => a[t] - a[e] || e - t);
	}, r), r.value.state === "absent" && (e.told.value = r.value.why), r.value.state === "ready" ? r.value.value : [];
}
// src/ui/imageQuery.ts
var fm = F(null), pm = F(!1);
async function mm(e, t) {
	if (!t) return;
	if (!e.session.can.search) {
		e.told.value = "Pictures cannot be searched here: that takes a running server.";
		return;
	}
	if (!t.type.startsWith("image/")) {
		e.told.value = "That is no picture: drop a JPEG, PNG or WebP file.";
		return;
	}
	let n = e.query.peek();
	await e.searchImage(t);
	let r = e.query.peek();
	r !== n && r.startsWith("image:") && (fm.peek() && URL.revokeObjectURL(fm.peek().address), fm.value = {
		id: r.slice(6),
		address: URL.createObjectURL(t)
	});
}
function hm(e) {
	let t = Object.assign(document.createElement("input"), {
		type: "file",
		accept: "image/jpeg,image/png,image/webp"
	});
	t.onchange = () => void mm(e, t.files?.[0]), t.click();
}
function gm() {
	let e = B();
	k(() => {
		let t = new AbortController(), { signal: n } = t, r = (t) => t.dataTransfer?.types.includes("Files") && qn(e, t), i = (e) => {
			r(e) && (e.preventDefault(), pm.value = !0);
		};
		return document.addEventListener("dragenter", i, { signal: n }), document.addEventListener("dragover", i, { signal: n }), document.addEventListener("dragleave", (e) => {
			e.relatedTarget || (pm.value = !1);
		}, { signal: n }), document.addEventListener("drop", (t) => {
			r(t) && (t.preventDefault(), pm.value = !1, mm(e, t.dataTransfer?.files[0]));
		}, { signal: n }), document.addEventListener("paste", (t) => {
			let n = t.clipboardData?.files[0];
			n && qn(e, t) && (t.preventDefault(), mm(e, n));
		}, { signal: n }), () => t.abort();
	}, [e]);
}
// src/own/figures.ts
function _m(e) {
	let t = Array.from(e), n = t.reduce((e, t) => Math.max(e, t), -Infinity), r = t.map((e) => Math.exp(e - n)), i = r.reduce((e, t) => e + t, 0);
	return r.map((e) => e / i);
}
function vm(e, t) {
	return Array.from(e, (e, t) => t).sort((t, n) => e[n] - e[t] || t - n).slice(0, t);
}
function ym(e, t, n) {
	let r = /* @__PURE__ */ new Map();
	for (let i of t) {
		let t = e[i];
		if (t === 0) continue;
		let a = n(i) ?? "", o = r.get(a) ?? {
			label: a,
			rows: [],
			net: 0
		};
		o.rows.push(i), o.net += t, r.set(a, o);
	}
	for (let t of r.values()) t.rows.sort((t, n) => Math.abs(e[n]) - Math.abs(e[t]) || t - n);
	return [...r.values()].sort((e, t) => Math.abs(t.net) - Math.abs(e.net) || e.label.localeCompare(t.label));
}
function bm(e, t, n, r) {
	return Array.from(n, (n) => ({
		row: n,
		part: t[n] > 0 ? e[n] / t[n] : 0
	})).filter(({ part: e }) => e > 0 && Number.isFinite(e)).sort((e, t) => t.part - e.part || e.row - t.row).slice(0, r);
}
function xm(e, t, n) {
	return Array.from(t).filter((t) => e[t] !== 0).sort((t, n) => Math.abs(e[n]) - Math.abs(e[t]) || t - n).slice(0, n);
}
// src/own/rows.ts
function Sm({ start: e, stop: t }) {
	return Array.from({ length: t - e }, (t, n) => e + n);
}
// src/own/Drivers.tsx
var Cm = 8, wm = 3;
function Tm({ index: e, own: t, layer: n, layers: r, off: i, toggle: a }) {
	let o = B(), s = ym(t.relevance, Sm(n), (t) => e.label(t) ?? e.names.get(t) ?? null), c = s.slice(0, Cm), l = Math.max(1e-9, ...c.map((e) => Math.abs(e.net))), u = s.filter((e) => e.label && e.net > 0).slice(0, wm);
	return /* @__PURE__ */ K("section", {
		class: "panel",
		"aria-label": "What drives it",
		children: [
			/* @__PURE__ */ K("div", {
				class: "section-head",
				children: [/* @__PURE__ */ K("h2", { children: "What drives it" }), /* @__PURE__ */ K("label", {
					class: "soft",
					children: [
						"In layer",
						" ",
						/* @__PURE__ */ K("select", {
							"aria-label": "Layer",
							value: n.layer,
							onChange: (e) => o.place.set({ of: e.currentTarget.value }, !0),
							children: r.map((e) => /* @__PURE__ */ K("option", {
								value: e.layer,
								children: Sn(e.layer)
							}, e.layer))
						})
					]
				})]
			}),
			u.length > 0 && /* @__PURE__ */ K("p", {
				class: "own-words",
				children: [
					"“",
					/* @__PURE__ */ K("bdi", { children: t.names[t.output] }),
					"” because of",
					" ",
					u.map((e, t) => /* @__PURE__ */ K("span", { children: [
						t > 0 && (t === u.length - 1 ? " and " : ", "),
						/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: e.label }) }),
						" ",
						"(",
						G(e.net),
						")"
					] }, e.label)),
					"."
				]
			}),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "Relevance of the layer’s components for this output on this picture, added up by label: parts of all there is in the layer, for it to the right, against it to the left."
			}),
			/* @__PURE__ */ K("table", {
				class: "bars sided",
				children: /* @__PURE__ */ K("tbody", { children: c.map((e) => /* @__PURE__ */ K("tr", { children: [
					/* @__PURE__ */ K("th", {
						scope: "row",
						children: [
							e.label ? /* @__PURE__ */ K("bdi", { children: e.label }) : /* @__PURE__ */ K("i", { children: "without a label" }),
							" ",
							/* @__PURE__ */ K("small", {
								class: "soft",
								children: V(e.rows.length, "component")
							})
						]
					}),
					/* @__PURE__ */ K("td", {
						class: "drawn-in",
						children: /* @__PURE__ */ K("span", {
							class: "bar two",
							children: /* @__PURE__ */ K("span", {
								class: e.net < 0 ? "against" : "for",
								style: { width: `${50 * Math.abs(e.net) / l}%` }
							})
						})
					}),
					/* @__PURE__ */ K("td", {
						class: "value",
						children: e.net < 0 ? `−${G(-e.net)}` : G(e.net)
					}),
					/* @__PURE__ */ K("td", { children: /* @__PURE__ */ K(Em, {
						rows: e.rows,
						of: e.label || "those without a label",
						off: i,
						toggle: a
					}) })
				] }, e.label)) })
			})
		]
	});
}
function Em({ rows: e, of: t, off: n, toggle: r }) {
	let i = e.every((e) => n.includes(e));
	return /* @__PURE__ */ K("button", {
		type: "button",
		class: "button small",
		"aria-pressed": i,
		"aria-label": `Without ${t}`,
		title: i ? "Switch it on again" : "What is predicted without it?",
		onClick: () => r(e),
		children: "without"
	});
}
// src/own/HeatOver.tsx
function Dm({ index: e, image: t, output: n, row: r, plain: i, says: a }) {
	let o = um(e, t, n, r), s = o ?? i;
	return /* @__PURE__ */ K("figure", {
		class: "heat-over",
		"aria-busy": o === void 0,
		children: [s ? /* @__PURE__ */ K("img", {
			class: "own-picture",
			src: s,
			alt: o ? a ?? "Heat map over your picture" : "Your picture"
		}) : /* @__PURE__ */ K("span", { class: "own-picture" }), a && /* @__PURE__ */ K("figcaption", {
			class: "soft",
			children: o === void 0 ? "Computing a heat map …" : o === null ? "There is no heat map." : a
		})]
	});
}
// src/own/Components.tsx
var Om = 6;
function km(e) {
	let { index: t, own: n, layer: r } = e, i = Sm(r).filter((e) => !t.base.dead[e]), a = xm(n.relevance, i, Om).map((e) => ({
		row: e,
		says: `${n.relevance[e] < 0 ? "against it" : "for it"}: ${G(Math.abs(n.relevance[e]))} of the layer`
	})), o = bm(n.activations, t.base.strongest, i, Om).map(({ row: e, part: t }) => ({
		row: e,
		says: `activation ${W(n.activations[e])}: ${G(t)} of its strongest example`
	}));
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K(Am, {
		...e,
		title: "Components that moved it most",
		says: a,
		none: "None of this layer’s components moved it."
	}), /* @__PURE__ */ K(Am, {
		...e,
		title: "Components that fire most",
		says: o,
		none: "None of this layer’s components fires."
	})] });
}
function Am({ index: e, image: t, own: n, off: r, toggle: i, title: a, says: o, none: s }) {
	let c = B(), l = fm.value?.id === t ? fm.value.address : null;
	return /* @__PURE__ */ K("section", {
		class: "own-components",
		"aria-label": a,
		children: [
			/* @__PURE__ */ K("h2", { children: a }),
			!o.length && /* @__PURE__ */ K("p", {
				class: "none",
				children: s
			}),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "On the left what each reacts to most in the index, on the right where in your picture its activation comes from."
			}),
			/* @__PURE__ */ K("ul", {
				role: "list",
				children: o.map((a) => {
					let o = e.base.crop[a.row];
					return /* @__PURE__ */ K("li", {
						class: r.includes(a.row) ? "is-off" : "",
						children: [
							/* @__PURE__ */ K("span", {
								class: "pair",
								children: [/* @__PURE__ */ K(Qn, {
									path: o < 0 ? null : e.at(`crop/${o}.webp`),
									alt: ""
								}), /* @__PURE__ */ K(Dm, {
									index: e,
									image: t,
									output: n.output,
									row: a.row,
									plain: l
								})]
							}),
							/* @__PURE__ */ K("a", {
								href: Ln(c, e, a.row),
								children: /* @__PURE__ */ K("bdi", { children: Sn(e.title(a.row)) })
							}),
							/* @__PURE__ */ K("small", {
								class: "soft",
								children: /* @__PURE__ */ K("bdi", { children: Sn(e.id(a.row)) })
							}),
							/* @__PURE__ */ K("small", { children: a.says }),
							/* @__PURE__ */ K(Em, {
								rows: [a.row],
								of: e.id(a.row),
								off: r,
								toggle: i
							})
						]
					}, a.row);
				})
			})
		]
	});
}
// src/own/Prediction.tsx
var jm = 5;
function Mm({ own: e, choose: t }) {
	let n = _m(e.logits), r = e.logits.length === 1, i = vm(e.logits, jm);
	return i.includes(e.output) || i.push(e.output), /* @__PURE__ */ K("section", {
		class: "panel",
		"aria-label": "Prediction",
		children: [
			/* @__PURE__ */ K("h2", { children: [r ? "Output" : "Predicted: ", !r && /* @__PURE__ */ K("bdi", { children: e.names[i[0]] })] }),
			/* @__PURE__ */ K("table", {
				class: "bars",
				children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
					/* @__PURE__ */ K("th", {
						scope: "col",
						children: "Output"
					}),
					/* @__PURE__ */ K("td", { children: !r && "chance, as softmax gives it" }),
					/* @__PURE__ */ K("td", {
						class: "value",
						children: [r ? "" : "chance · ", "logit"]
					})
				] }) }), /* @__PURE__ */ K("tbody", { children: i.map((i) => /* @__PURE__ */ K("tr", {
					class: i === e.output ? "first" : "",
					children: [
						/* @__PURE__ */ K("th", {
							scope: "row",
							children: /* @__PURE__ */ K("button", {
								type: "button",
								class: "link",
								"aria-pressed": i === e.output,
								title: "Explain this output",
								onClick: () => t(i),
								children: /* @__PURE__ */ K("bdi", { children: e.names[i] })
							})
						}),
						/* @__PURE__ */ K("td", {
							class: "drawn-in",
							title: r ? "" : G(n[i]),
							children: !r && /* @__PURE__ */ K("span", {
								class: "bar",
								children: /* @__PURE__ */ K("span", {
									class: "fill",
									style: { width: `${100 * n[i]}%` }
								})
							})
						}),
						/* @__PURE__ */ K("td", {
							class: "value",
							children: [!r && `${G(n[i])} · `, U(e.logits[i])]
						})
					]
				}, i)) })]
			}),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: [
					e.logits.length > i.length && `The highest of ${H(e.logits.length)} outputs. `,
					"Explained below: “",
					/* @__PURE__ */ K("bdi", { children: e.names[e.output] }),
					"”; press another to explain that one."
				]
			}),
			e.warnings.map((e) => /* @__PURE__ */ K("p", {
				class: "remark",
				children: e
			}, e))
		]
	});
}
// src/own/SimilarImages.tsx
function Nm({ index: e, image: t }) {
	let n = cm(e, t);
	return /* @__PURE__ */ K("section", {
		class: "own-similar",
		"aria-label": "Similar images",
		children: [
			/* @__PURE__ */ K("h2", { children: "Similar images of the index" }),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "Crops that the foundation model places nearest to your picture, one of an image, with their cosine similarity."
			}),
			n && /* @__PURE__ */ K(Hn, {
				of: n,
				what: "Similar images",
				children: (t) => /* @__PURE__ */ K("ul", {
					class: "example-list",
					role: "list",
					children: t.map((t) => /* @__PURE__ */ K("li", {
						class: "level",
						title: t.name,
						children: [/* @__PURE__ */ K(Qn, {
							path: e.at(`crop/${t.crop}.webp`),
							alt: t.name
						}), /* @__PURE__ */ K("span", {
							class: "example-words",
							children: [/* @__PURE__ */ K("span", {
								class: "value",
								children: U(t.similarity)
							}), t.label && /* @__PURE__ */ K("bdi", {
								class: "soft",
								children: t.label
							})]
						})]
					}, t.image))
				})
			})
		]
	});
}
// src/own/Without.tsx
var Pm = 4, Fm = 8;
function Im({ index: e, image: t, own: n, off: r, toggle: i, clear: a }) {
	let [o, s] = O("off"), c = lm(e, t, r, o);
	return /* @__PURE__ */ K("section", {
		class: "panel without",
		"aria-label": "Without",
		children: [
			/* @__PURE__ */ K("h2", { children: "Without" }),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "Switch off components, all of a label, or all that respond to a phrase, and the model predicts again."
			}),
			/* @__PURE__ */ K(Rm, {
				index: e,
				off: r,
				toggle: i
			}),
			r.length === 0 ? /* @__PURE__ */ K("p", {
				class: "none",
				children: "Nothing is switched off."
			}) : /* @__PURE__ */ K(T, { children: [
				/* @__PURE__ */ K("p", { children: [
					/* @__PURE__ */ K("strong", { children: V(r.length, "component") }),
					": ",
					/* @__PURE__ */ K("bdi", { children: Lm(e, r) }),
					" ",
					/* @__PURE__ */ K("button", {
						type: "button",
						class: "link",
						onClick: a,
						children: "All on again"
					})
				] }),
				/* @__PURE__ */ K("label", { children: [
					"They are",
					" ",
					/* @__PURE__ */ K("select", {
						value: o,
						onChange: (e) => s(e.currentTarget.value),
						children: [/* @__PURE__ */ K("option", {
							value: "off",
							children: "switched off: activation 0"
						}), /* @__PURE__ */ K("option", {
							value: "strongest",
							children: "moved: as on their strongest example"
						})]
					})
				] }),
				c && /* @__PURE__ */ K(Hn, {
					of: c,
					what: "Prediction",
					children: ({ logits: e }) => /* @__PURE__ */ K(zm, {
						own: n,
						logits: e
					})
				})
			] })
		]
	});
}
function Lm(e, t) {
	let n = /* @__PURE__ */ new Map();
	for (let r of t) n.set(e.title(r), (n.get(e.title(r)) ?? 0) + 1);
	let r = [...n].map(([e, t]) => t > 1 ? `${e} (${t})` : e);
	return r.length > Fm ? `${r.slice(0, Fm).join(", ")} and ${r.length - Fm} others` : r.join(", ");
}
function Rm({ index: e, off: t, toggle: n }) {
	let r = B(), [i, a] = O(""), [o, s] = O(!1), c = async (a) => {
		if (a.preventDefault(), !i.trim() || o) return;
		s(!0);
		let c = await dm(r, e, i.trim());
		s(!1);
		let l = c.filter((e) => !t.includes(e));
		l.length ? n(l) : r.told.value ||= `No further component responds to “${i.trim()}” more than chance does.`;
	};
	return /* @__PURE__ */ K("form", {
		class: "phrase",
		onSubmit: (e) => void c(e),
		children: [/* @__PURE__ */ K("input", {
			type: "text",
			"aria-label": "All that respond to",
			placeholder: "All that respond to … a phrase",
			value: i,
			disabled: !r.session.can.search,
			onInput: (e) => a(e.currentTarget.value)
		}), /* @__PURE__ */ K("button", {
			type: "submit",
			class: "button",
			disabled: o,
			children: o ? "…" : "Off"
		})]
	});
}
function zm({ own: e, logits: t }) {
	let [n, r] = [_m(e.logits), _m(t)], i = t.length === 1, a = [.../* @__PURE__ */ new Set([
		...vm(e.logits, Pm),
		...vm(t, 1),
		e.output
	])], [o, s] = [vm(e.logits, 1)[0], vm(t, 1)[0]];
	return /* @__PURE__ */ K(T, { children: [!i && /* @__PURE__ */ K("p", {
		class: "own-words",
		role: "status",
		children: o === s ? /* @__PURE__ */ K(T, { children: [
			"Still “",
			/* @__PURE__ */ K("bdi", { children: e.names[s] }),
			"”."
		] }) : /* @__PURE__ */ K(T, { children: [
			"Now “",
			/* @__PURE__ */ K("strong", { children: /* @__PURE__ */ K("bdi", { children: e.names[s] }) }),
			"”, not “",
			/* @__PURE__ */ K("bdi", { children: e.names[o] }),
			"”."
		] })
	}), /* @__PURE__ */ K("table", {
		class: "plain",
		children: [/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
			/* @__PURE__ */ K("th", {
				scope: "col",
				children: "Output"
			}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				class: "number",
				children: "before"
			}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				class: "number",
				children: "without"
			}),
			/* @__PURE__ */ K("th", {
				scope: "col",
				class: "number",
				children: "logit"
			})
		] }) }), /* @__PURE__ */ K("tbody", { children: a.map((a) => /* @__PURE__ */ K("tr", { children: [
			/* @__PURE__ */ K("th", {
				scope: "row",
				children: /* @__PURE__ */ K("bdi", { children: e.names[a] })
			}),
			/* @__PURE__ */ K("td", {
				class: "number",
				children: i ? U(e.logits[a]) : G(n[a])
			}),
			/* @__PURE__ */ K("td", {
				class: "number",
				children: i ? U(t[a]) : G(r[a])
			}),
			/* @__PURE__ */ K("td", {
				class: "number",
				children: [t[a] < e.logits[a] ? "" : "+", U(t[a] - e.logits[a])]
			})
		] }, a)) })]
	})] });
}
// src/views/Picture.tsx
function Bm() {
	let e = B(), t = e.index.value, n = e.param("image");
	return k(() => {
		t.info.own && e.transport.get(t.at("own/ready")).catch(() => void 0);
	}, [t]), /* @__PURE__ */ K("article", {
		class: "own-view",
		children: [
			/* @__PURE__ */ K("h1", { children: "Your picture" }),
			/* @__PURE__ */ K("p", {
				class: "explains",
				children: [
					"What ",
					/* @__PURE__ */ K("bdi", { children: t.info.model }),
					" makes of a picture of yours: what it predicts, which components fire and which of them moved the prediction, where they look, and what it predicts without them."
				]
			}),
			t.info.own ? n ? /* @__PURE__ */ K(Hm, {
				index: t,
				image: n
			}, `${t.number} ${n}`) : /* @__PURE__ */ K(Vm, {}) : /* @__PURE__ */ K("p", {
				class: "absent",
				children: "The model is not at hand, so it cannot look at a picture: start the server with `semlens serve INDEX --model MODEL`. A picture that you drop is still searched for among the components."
			})
		]
	});
}
function Vm() {
	let e = B();
	return /* @__PURE__ */ K("div", {
		class: "drop-zone",
		children: [
			/* @__PURE__ */ K("p", { children: "Drop a picture anywhere on this page, paste one, or choose a file." }),
			/* @__PURE__ */ K("button", {
				type: "button",
				class: "button primary",
				onClick: () => hm(e),
				children: "Choose a picture"
			}),
			/* @__PURE__ */ K("p", {
				class: "soft",
				children: "JPEG, PNG or WebP. It goes to the server on your own machine, is kept in its memory only, and is forgotten when the server ends."
			})
		]
	});
}
function Hm({ index: e, image: t }) {
	let n = B(), r = sm(e, t, n.param("output")), i = e.info.layers.filter((e) => !e.outputs && e.stop > e.start), a = i.find((e) => e.layer === n.param("of")) ?? i[i.length - 1], [o, s] = O([]), c = (e) => s((t) => e.every((e) => t.includes(e)) ? t.filter((t) => !e.includes(t)) : [.../* @__PURE__ */ new Set([...t, ...e])]), l = fm.value?.id === t ? fm.value.address : null;
	return /* @__PURE__ */ K("div", {
		class: "own",
		children: [/* @__PURE__ */ K("div", {
			class: "own-side",
			children: [
				r?.state === "ready" ? /* @__PURE__ */ K(Dm, {
					index: e,
					image: t,
					output: r.value.output,
					row: null,
					plain: l,
					says: `What moved “${Um(r.value)}”: the stronger the colour, the more of it`
				}) : l && /* @__PURE__ */ K("img", {
					class: "own-picture",
					src: l,
					alt: "Your picture"
				}),
				/* @__PURE__ */ K("button", {
					type: "button",
					class: "button",
					onClick: () => hm(n),
					children: "Another picture"
				}),
				r?.state === "ready" && /* @__PURE__ */ K(Im, {
					index: e,
					image: t,
					own: r.value,
					off: o,
					toggle: c,
					clear: () => s([])
				})
			]
		}), /* @__PURE__ */ K("div", {
			class: "own-main",
			children: [r && /* @__PURE__ */ K(Hn, {
				of: r,
				what: "Your picture",
				children: (r) => /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K(Mm, {
					own: r,
					choose: (e) => n.place.set({ output: e }, !0)
				}), a && /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K(Tm, {
					index: e,
					own: r,
					layer: a,
					layers: i,
					off: o,
					toggle: c
				}), /* @__PURE__ */ K(km, {
					index: e,
					image: t,
					own: r,
					layer: a,
					off: o,
					toggle: c
				})] })] })
			}), /* @__PURE__ */ K(Nm, {
				index: e,
				image: t
			})]
		})]
	});
}
function Um(e) {
	return e.names[e.output];
}
// src/table/ColumnPicker.tsx
function Wm({ columns: e, shown: t, onChange: n }) {
	let r = (r, i) => n(e.filter((e) => e === r ? i : t.includes(e)).map((e) => e.key));
	return /* @__PURE__ */ K(dd, {
		name: "Columns",
		value: `${t.length} of ${e.length}`,
		children: /* @__PURE__ */ K("fieldset", {
			class: "column-choice",
			children: [
				/* @__PURE__ */ K("legend", { children: "Columns of the table, and of the files saved from it" }),
				e.map((e) => /* @__PURE__ */ K("label", { children: [/* @__PURE__ */ K("input", {
					type: "checkbox",
					"aria-label": e.name,
					checked: t.includes(e),
					disabled: t.length === 1 && t.includes(e),
					onChange: (t) => r(e, t.currentTarget.checked)
				}), /* @__PURE__ */ K("span", { children: [e.name, /* @__PURE__ */ K("span", {
					class: "what",
					children: e.why ?? e.says
				})] })] }, e.key)),
				/* @__PURE__ */ K("button", {
					type: "button",
					class: "button",
					onClick: () => n(null),
					children: "As at first"
				})
			]
		})
	});
}
// src/table/columns.tsx
var Gm = NaN, Km = (e) => (t) => U(t, e), qm = (e) => e > 0 && e < 5e-4 ? "<0.1 %" : `${(100 * e).toFixed(1)} %`, Jm = (e) => e < .001 ? "<0.001" : e.toFixed(3);
function Ym(e) {
	return e.state === "loading" ? { waits: e.job ?? !0 } : e.state === "absent" ? { why: e.why } : {};
}
function Xm(e) {
	let t = 0;
	for (let n = 0; n < (e?.length ?? 0); n++) e[n] > t && (t = e[n]);
	return t || 1;
}
function Zm(e) {
	return (t) => e?.[t] ?? Gm;
}
function Qm(e) {
	let t = e.index.value;
	return [
		...$m(e, t),
		...eh(t),
		...th(t),
		...nh(t),
		...rh(e, t),
		...ih(e),
		...ah(t)
	];
}
function $m(e, t) {
	let { base: n, info: r } = t;
	return [
		{
			key: "crop",
			name: "Crop",
			says: "The part of an image that makes it fire most.",
			kind: "picture",
			width: 56,
			shown: !0,
			value: () => Gm,
			cell: (r) => {
				let i = n.crop[r];
				return /* @__PURE__ */ K("a", {
					href: Ln(e, t, r),
					tabIndex: -1,
					"aria-hidden": "true",
					children: /* @__PURE__ */ K(Qn, {
						path: i < 0 ? null : t.at(`crop/${i}.webp`),
						alt: ""
					})
				});
			}
		},
		{
			key: "component",
			name: "Component",
			says: "One channel, unit or head of the model, written layer:number.",
			kind: "text",
			width: 150,
			shown: !0,
			value: (e) => e,
			text: (e) => t.id(e),
			cell: (n) => /* @__PURE__ */ K("a", {
				href: Ln(e, t, n),
				tabIndex: -1,
				children: /* @__PURE__ */ K("bdi", {
					title: t.id(n),
					children: Sn(t.id(n))
				})
			})
		},
		{
			key: "layer",
			name: "Layer",
			says: "Where in the model it is.",
			kind: "text",
			width: 120,
			shown: !1,
			value: (e) => n.layer[e],
			text: (e) => r.layers[n.layer[e]].layer
		}
	];
}
function eh(e) {
	let t = e.labels.value, n = t.state === "ready" ? t.value : void 0, r = Ym(t), i = n?.by === "encoding", a = (t) => e.label(t) ?? e.names.get(t) ?? "", o = (e) => {
		let t = n?.best[e] ?? -1;
		return t < 0 ? "" : n.phrases[t];
	};
	return [
		{
			key: "label",
			name: "Label",
			says: "The phrase that fits what it responds to; grey with a question mark where chance fits as well.",
			kind: "text",
			width: 200,
			shown: !0,
			value: () => Gm,
			text: a,
			cell: (e) => {
				let t = a(e);
				return t ? /* @__PURE__ */ K("bdi", { children: t }) : o(e) && /* @__PURE__ */ K("span", {
					class: "by-chance",
					title: "Chance fits as well as this phrase, so it is no label",
					children: [/* @__PURE__ */ K("bdi", { children: o(e) }), "?"]
				});
			}
		},
		{
			key: "p_value",
			name: "p-value",
			says: "How often chance fits as well as its best phrase: small means that the label can be trusted.",
			kind: "number",
			width: 84,
			shown: !1,
			...r,
			value: Zm(n?.p_value),
			write: Jm,
			rising: !0
		},
		{
			key: "stability",
			name: "Stability",
			says: "How often the label stays the same when its examples are drawn again, from 0 to 1.",
			kind: "number",
			width: 92,
			shown: !1,
			...r,
			value: Zm(n?.stability),
			write: Km(2),
			bar: 1
		},
		{
			key: "alignment",
			name: i ? "z" : "Alignment",
			says: i ? "How far beyond chance it responds to its best phrase over all images, in standard errors." : "How much closer its examples are to its best phrase than to no phrase at all.",
			kind: "number",
			width: 100,
			shown: !0,
			...r,
			value: Zm(n?.alignment),
			write: Km(i ? 1 : 3),
			bar: Xm(n?.alignment)
		}
	];
}
function th(e) {
	let t = e.scores.value, n = t.state === "ready" ? t.value : void 0, r = {
		kind: "number",
		shown: !0,
		...Ym(t),
		write: Km(3),
		bar: 1
	};
	return [
		{
			...r,
			key: "clarity",
			name: "Clarity",
			says: "How alike its examples are: 1 means that they all show the same.",
			width: 92,
			value: Zm(n?.clarity),
			bar: Xm(n?.clarity)
		},
		{
			...r,
			key: "polysemanticity",
			name: "Polysemanticity",
			says: "Whether its examples show two different things: high means more than one meaning.",
			width: 144,
			value: Zm(n?.polysemanticity),
			bar: Xm(n?.polysemanticity)
		},
		{
			...r,
			key: "redundancy",
			name: "Redundancy",
			says: "How close the most similar other component of its layer is: 1 means a twin.",
			width: 116,
			value: Zm(n?.redundancy),
			bar: Xm(n?.redundancy)
		}
	];
}
function nh(e) {
	let { base: t } = e;
	return [
		{
			key: "examples",
			name: "Examples",
			says: "Images that stand for it.",
			kind: "number",
			width: 86,
			shown: !1,
			value: Zm(t.examples),
			write: String
		},
		{
			key: "fired",
			name: "Fired",
			says: "Share of all images on which it is active.",
			kind: "number",
			width: 86,
			shown: !0,
			value: Zm(t.fired),
			write: qm,
			bar: 1
		},
		{
			key: "strongest",
			name: "Strongest",
			says: "Its largest activation, in the model's own unit.",
			kind: "number",
			width: 96,
			shown: !1,
			value: Zm(t.strongest),
			write: W
		}
	];
}
function rh(e, t) {
	let n = e.of.value;
	if (n === null) return [];
	let r = t.relevance(n).value, i = r.state === "ready" ? r.value : void 0, a = {
		kind: "number",
		...Ym(r),
		write: qm
	}, o = t.info.classes.find((e) => e.number === n)?.name ?? String(n);
	return [{
		...a,
		key: "for",
		file: `relevance for ${o}`,
		name: "Relevance for",
		says: `Share of all that speaks for “${o}” in its layer that comes from it.`,
		width: 132,
		shown: !0,
		value: Zm(i?.positive),
		bar: Xm(i?.positive)
	}, {
		...a,
		key: "against",
		file: `relevance against ${o}`,
		name: "Relevance against",
		says: `How much it speaks against “${o}”, on the same scale.`,
		width: 150,
		shown: !1,
		value: Zm(i?.negative),
		bar: Xm(i?.negative)
	}];
}
function ih(e) {
	let t = e.search.value;
	if (!t) return [];
	let n = t.state === "ready" ? t.value : void 0, r = n?.by === "encoding";
	return [{
		key: "similarity",
		name: r ? "Effect" : "Match",
		says: r ? "How much it responds to what you searched for over all images, in standard deviations of its activation." : "How much closer its examples are to what you searched for than to nothing in particular.",
		kind: "number",
		width: 100,
		shown: !0,
		...Ym(t),
		value: Zm(n?.value),
		write: Km(3),
		bar: Xm(n?.value)
	}];
}
function ah(e) {
	let t = e.atlas.value, n = t.state === "ready" ? t.value : void 0, r = (e) => {
		let t = n?.cluster[e] ?? -1;
		return t < 0 ? "" : n.names[t] || `cluster ${t}`;
	};
	return [
		{
			key: "cluster",
			name: "Cluster",
			says: "The group on the map that it belongs to.",
			kind: "text",
			width: 130,
			shown: !1,
			...Ym(t),
			value: () => Gm,
			text: r
		},
		{
			key: "tag",
			name: "Tag",
			says: "What you judged: valid, spurious or unsure.",
			kind: "text",
			width: 90,
			shown: !0,
			value: () => Gm,
			text: (t) => e.tag(t) ?? "",
			cell: (t) => e.tag(t) && /* @__PURE__ */ K("span", {
				class: `tag ${e.tag(t)}`,
				children: e.tag(t)
			})
		},
		{
			key: "note",
			name: "Note",
			says: "What you wrote about it.",
			kind: "text",
			width: 180,
			shown: !1,
			value: () => Gm,
			text: (t) => e.annotation(t)?.note ?? ""
		}
	];
}
function oh(e, t) {
	if (e.text) return e.text(t) || null;
	let n = e.value(t);
	return Number.isNaN(n) ? null : n;
}
function sh(e, t) {
	if (e.text) return e.text(t);
	let n = e.value(t);
	return Number.isNaN(n) ? "" : e.write?.(n) ?? String(n);
}
// src/table/Grid.tsx
var ch = 46, lh = 40, uh = 500;
function dh(e) {
	let { columns: t, rows: n, marks: r } = e, i = Re(), a = rp(n.length, ch, lh), o = j(n);
	k(() => {
		o.current !== n && a.box.current?.scrollTo({ top: 0 }), o.current = n;
	}, [n]);
	let s = t.reduce((e, t) => e + t.width, 0), c = t.map((e) => e.kind === "number" || e.kind === "picture" ? `${e.width}px` : `minmax(${e.width}px, 1fr)`).join(" "), l = Array.from({ length: a.last - a.first }, (e, t) => a.first + t), u = M(() => /* @__PURE__ */ new Map(), [e]);
	u.size > uh && u.clear();
	let d = (t) => {
		let r = u.get(t) ?? /* @__PURE__ */ K(ph, {
			...e,
			at: t,
			id: `${i}-${t}`
		}, n[t]);
		return u.set(t, r), r;
	}, f = r.active >= a.first && r.active < a.last;
	return /* @__PURE__ */ K("div", {
		class: "components-grid",
		role: "grid",
		tabIndex: 0,
		"aria-label": e.label,
		"aria-rowcount": n.length + 1,
		"aria-colcount": t.length,
		"aria-multiselectable": "true",
		"aria-activedescendant": f ? `${i}-${r.active}` : void 0,
		ref: a.box,
		onKeyDown: (t) => gh(t, e, a.page, a.reveal),
		onMouseLeave: () => e.onPoint(null),
		style: {
			"--columns": c,
			"--wide": `${s}px`,
			"--high": `${ch}px`,
			"--head": `${lh}px`
		},
		children: [/* @__PURE__ */ K(fh, { ...e }), /* @__PURE__ */ K("div", {
			class: "lines",
			role: "rowgroup",
			style: { height: `${a.span}px` },
			children: /* @__PURE__ */ K("div", {
				class: "drawn",
				role: "presentation",
				style: { transform: `translateY(${a.top}px)` },
				children: l.map(d)
			})
		})]
	});
}
function fh({ columns: e, sort: t, onSort: n }) {
	return /* @__PURE__ */ K("div", {
		class: "heads",
		role: "rowgroup",
		children: /* @__PURE__ */ K("div", {
			role: "row",
			"aria-rowindex": 1,
			children: e.map((e, r) => {
				let i = t?.key === e.key ? t.down ? "descending" : "ascending" : void 0;
				return /* @__PURE__ */ K("div", {
					role: "columnheader",
					"aria-colindex": r + 1,
					"aria-sort": e.kind === "picture" ? void 0 : i ?? "none",
					class: hh(e),
					title: e.why ?? e.says,
					children: e.kind === "picture" ? /* @__PURE__ */ K("span", {
						class: "unseen",
						children: e.name
					}) : /* @__PURE__ */ K("button", {
						type: "button",
						onClick: () => n(e),
						children: [/* @__PURE__ */ K("span", {
							class: "name",
							children: e.name
						}), /* @__PURE__ */ K("span", {
							class: "way",
							"aria-hidden": "true",
							children: i === "descending" ? "▼" : i === "ascending" ? "▲" : ""
						})]
					})
				}, e.key);
			})
		})
	});
}
function ph({ at: e, id: t, columns: n, rows: r, marks: i, pointed: a, onOpen: o, onPoint: s }) {
	let c = r[e], l = i.marked.has(c), u = Ct(() => a.value === c).value;
	return /* @__PURE__ */ K("div", {
		id: t,
		role: "row",
		class: `${l ? "marked " : ""}${i.active === e ? "active " : ""}${u ? "pointed" : ""}`,
		"aria-rowindex": e + 2,
		"aria-selected": l,
		onClick: (t) => {
			t.target.closest("a") || i.mark(e, t.shiftKey ? "to" : t.ctrlKey || t.metaKey ? "also" : "one");
		},
		onDblClick: () => o(c),
		onMouseEnter: () => s(c),
		children: n.map((e, t) => /* @__PURE__ */ K(mh, {
			column: e,
			row: c,
			number: t + 1
		}, e.key))
	});
}
function mh({ column: e, row: t, number: n }) {
	let r = e.bar ? e.value(t) : NaN, i = Math.max(0, Math.min(1, r / (e.bar ?? 1)));
	return /* @__PURE__ */ K("div", {
		role: "gridcell",
		"aria-colindex": n,
		class: hh(e),
		children: [i > 0 && /* @__PURE__ */ K("span", {
			class: "fills",
			"aria-hidden": "true",
			style: { "--part": i.toFixed(3) }
		}), e.waits ? /* @__PURE__ */ K("span", {
			class: "dots",
			title: "being computed",
			children: "…"
		}) : e.cell ? e.cell(t) : /* @__PURE__ */ K("span", { children: sh(e, t) })]
	});
}
function hh(e) {
	return `${e.kind} of-${e.key}`;
}
function gh(e, { rows: t, marks: n, onOpen: r, onAll: i, onPoint: a }, o, s) {
	if (e.target !== e.currentTarget) return;
	let c = e.key;
	if ((e.ctrlKey || e.metaKey) && c.toLowerCase() === "a") return e.preventDefault(), i();
	let l = t.length - 1, u = {
		ArrowDown: 1,
		ArrowUp: -1,
		PageDown: o,
		PageUp: -o,
		Home: -Infinity,
		End: Infinity
	}, d = n.active;
	if (c in u && l >= 0) {
		e.preventDefault();
		let r = d < 0 ? c === "End" ? l : 0 : Math.max(0, Math.min(l, d + u[c]));
		return e.shiftKey && d >= 0 ? n.mark(r, "to") : n.mark(r, "none"), a(t[r]), s(r);
	}
	if (!(d < 0)) {
		if (c === "Enter") r(t[d]);
		else if (c === " ") n.mark(d, "also");
		else if (c === "Escape" && n.marked.size) n.clear();
		else return;
		e.preventDefault();
	}
}
// src/table/ranges.ts
function _h(e) {
	return e.split(",").flatMap((e) => {
		let t = /^(\w+):(.*?)\.\.(.*)$/.exec(e);
		return t ? [{
			key: t[1],
			low: yh(t[2]),
			high: yh(t[3])
		}] : [];
	});
}
function vh(e) {
	return e.map(({ key: e, low: t, high: n }) => `${e}:${t ?? ""}..${n ?? ""}`).join(",");
}
function yh(e) {
	let t = Number(e);
	return e.trim() === "" || !Number.isFinite(t) ? null : t;
}
function bh({ low: e, high: t }, n) {
	return e === null && t === null || (e === null || n >= e) && (t === null || n <= t) && !Number.isNaN(n);
}
// src/table/RangeBar.tsx
function xh({ columns: e, ranges: t, onChange: n }) {
	let r = e.filter((e) => e.kind === "number" && !e.why), i = (e, r) => n(t.map((t) => t === e ? {
		...t,
		...r
	} : t));
	return /* @__PURE__ */ K(T, { children: [t.map((r) => {
		let a = e.find((e) => e.key === r.key)?.name ?? r.key;
		return /* @__PURE__ */ K("span", {
			class: "range",
			role: "group",
			"aria-label": `Range of ${a}`,
			children: [
				/* @__PURE__ */ K(Sh, {
					label: `${a} from`,
					value: r.low,
					onSet: (e) => i(r, { low: e })
				}),
				/* @__PURE__ */ K("span", {
					"aria-hidden": "true",
					children: [
						"≤ ",
						a,
						" ≤"
					]
				}),
				/* @__PURE__ */ K(Sh, {
					label: `${a} to`,
					value: r.high,
					onSet: (e) => i(r, { high: e })
				}),
				/* @__PURE__ */ K("button", {
					type: "button",
					class: "bare-button",
					"aria-label": `Remove the range of ${a}`,
					onClick: () => n(t.filter((e) => e !== r)),
					children: /* @__PURE__ */ K(q, { name: "clear" })
				})
			]
		}, r.key);
	}), /* @__PURE__ */ K("select", {
		"aria-label": "Filter by a column's range",
		value: "",
		onChange: (e) => {
			let r = e.currentTarget.value;
			e.currentTarget.value = "", r && n([...t.filter((e) => e.key !== r), {
				key: r,
				low: null,
				high: null
			}]);
		},
		children: [/* @__PURE__ */ K("option", {
			value: "",
			children: "Filter by range …"
		}), r.map((e) => /* @__PURE__ */ K("option", {
			value: e.key,
			children: e.name
		}, e.key))]
	})] });
}
function Sh({ label: e, value: t, onSet: n }) {
	return /* @__PURE__ */ K("input", {
		type: "text",
		inputMode: "decimal",
		"aria-label": e,
		placeholder: "any",
		value: t ?? "",
		onInput: (e) => n(yh(e.currentTarget.value.replace(",", ".").replace("−", "-")))
	});
}
// src/table/Summary.tsx
var Ch = {
	clarity: "how alike the examples of a component are",
	polysemanticity: "whether they show two different things",
	redundancy: "how close its twin in the layer is"
}, [$, wh, Th, Eh, Dh] = [
	24,
	34,
	18,
	28,
	40
];
function Oh() {
	let e = B().index.value, t = j(null);
	return /* @__PURE__ */ K("details", {
		class: "measures",
		open: matchMedia("(min-width: 761px)").matches,
		children: [
			/* @__PURE__ */ K("summary", { children: "How clear each layer is" }),
			/* @__PURE__ */ K("div", {
				class: "key",
				children: [/* @__PURE__ */ K("p", {
					class: "hint",
					children: "Dot and line: a layer's mean with its 95 % interval. Grey band: what random sets of images reach."
				}), /* @__PURE__ */ K(Tl, {
					what: "the chart of measures",
					kinds: ["svg", "png"],
					save: (n) => vn(t.current, `${e.info.name}-measures`, n)
				})]
			}),
			/* @__PURE__ */ K("div", {
				class: "chart",
				children: /* @__PURE__ */ K(Hn, {
					of: e.scores.value,
					what: "measures",
					children: (e) => /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K(kh, {
						rows: e.summary,
						of: t
					}), /* @__PURE__ */ K(Ph, { rows: e.summary })] })
				})
			})
		]
	});
}
function kh({ rows: e, of: t }) {
	let [n, r] = O(900), i = j(null);
	A(() => r(i.current?.clientWidth || 900), []), k(() => {
		let e = new ResizeObserver(() => r(i.current?.clientWidth || 900));
		return e.observe(i.current), () => e.disconnect();
	}, []);
	let a = [...new Set(e.map((e) => e.layer))], o = n >= 620, s = Math.min(150, Math.max(...a.map((e) => 8 * e.length)) + 8, n / 3), c = o ? (n - s - 3 * Eh) / 3 : n - s - Eh, l = wh + a.length * $ + Th, u = o ? l : 3 * l;
	return /* @__PURE__ */ K("div", {
		class: "drawing",
		ref: i,
		children: /* @__PURE__ */ K("svg", {
			ref: (e) => void (t.current = e),
			viewBox: `0 0 ${n} ${u}`,
			width: n,
			height: u,
			role: "img",
			"aria-label": "Means of the measures for each layer; the table after it has the same numbers",
			children: Object.entries(Ch).map(([t, n], r) => /* @__PURE__ */ K("g", {
				transform: o ? `translate(${s + r * (c + Eh)} 0)` : `translate(${s} ${r * l})`,
				children: [
					(r === 0 || !o) && a.map((e, t) => /* @__PURE__ */ K(Ah, {
						layer: e,
						y: wh + (t + .5) * $,
						wide: s - 10
					}, e)),
					/* @__PURE__ */ K("text", {
						class: "head",
						x: 0,
						y: 13,
						children: t
					}),
					/* @__PURE__ */ K("text", {
						class: "says",
						x: 0,
						y: 28,
						children: zf(n, c + Eh - 8, 11)
					}),
					/* @__PURE__ */ K(jh, {
						rows: a.map((n) => e.find((e) => e.layer === n && e.measure === t)),
						wide: c
					})
				]
			}, t))
		})
	});
}
function Ah({ layer: e, y: t, wide: n }) {
	return /* @__PURE__ */ K("text", {
		class: "layer",
		x: -10,
		y: t + 4,
		"text-anchor": "end",
		children: [/* @__PURE__ */ K("title", { children: e }), zf(e, n, 12, "start")]
	});
}
function jh({ rows: e, wide: t }) {
	let n = e.flatMap((e) => e ? [
		e.low,
		e.high,
		e.mean,
		e.baseline_low,
		e.baseline_high,
		e.untrained
	] : []).filter((e) => e !== null), r = Math.min(0, ...n), i = Math.max(r + .1, ...n) * 1.04, a = (e) => (e - r) / (i - r) * (t - Dh), o = wh + e.length * $;
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("path", {
			class: "axis",
			d: `M0 ${o}H${t - Dh}`
		}),
		[r, i / 1.04].map((e, t) => /* @__PURE__ */ K("text", {
			class: "tick",
			x: a(e),
			y: o + 14,
			"text-anchor": t ? "end" : "start",
			children: U(e)
		}, t)),
		e.map((e, n) => e && /* @__PURE__ */ K(Mh, {
			row: e,
			y: wh + n * $,
			x: a,
			wide: t
		}, e.layer))
	] });
}
function Mh({ row: e, y: t, x: n, wide: r }) {
	let { mean: i, low: a, high: o, baseline: s, baseline_low: c, baseline_high: l } = e;
	return /* @__PURE__ */ K("g", { children: [
		/* @__PURE__ */ K("title", { children: Nh(e) }),
		/* @__PURE__ */ K("rect", {
			class: "ground",
			x: 0,
			y: t + 2,
			width: r - Dh,
			height: $ - 4
		}),
		c !== null && l !== null && /* @__PURE__ */ K("rect", {
			class: "chance",
			x: n(c),
			y: t + 3,
			width: Math.max(2, n(l) - n(c)),
			height: $ - 6
		}),
		s !== null && /* @__PURE__ */ K("path", {
			class: "baseline",
			d: `M${n(s)} ${t + 3}v${$ - 6}`
		}),
		a !== null && o !== null && /* @__PURE__ */ K("path", {
			class: "interval",
			d: `M${n(a)} ${t + $ / 2}H${n(o)}M${n(a)} ${t + $ / 2 - 3}v6M${n(o)} ${t + $ / 2 - 3}v6`
		}),
		e.untrained !== null && /* @__PURE__ */ K("path", {
			class: "untrained",
			d: `M${n(e.untrained)} ${t + $ / 2 - 6}l5 6l-5 6l-5 -6z`
		}),
		i !== null && /* @__PURE__ */ K("circle", {
			class: "mean",
			cx: n(i),
			cy: t + $ / 2,
			r: 4.5
		}),
		/* @__PURE__ */ K("text", {
			class: "value",
			x: r,
			y: t + $ / 2 + 4,
			"text-anchor": "end",
			children: i === null ? "" : U(i)
		})
	] });
}
function Nh({ layer: e, measure: t, mean: n, low: r, high: i, baseline: a, baseline_low: o, baseline_high: s, untrained: c }) {
	return `${e}, ${t}: mean ${U(n, 3)} (95 % interval ${U(r, 3)} to ${U(i, 3)}); random: ${U(a, 3)} (${U(o, 3)} to ${U(s, 3)})${c === null ? "" : `; untrained network: ${U(c, 3)}`}`;
}
function Ph({ rows: e }) {
	return /* @__PURE__ */ K("div", {
		class: "unseen",
		children: /* @__PURE__ */ K("table", { children: [
			/* @__PURE__ */ K("caption", { children: "Means of the measures for each layer" }),
			/* @__PURE__ */ K("thead", { children: /* @__PURE__ */ K("tr", { children: [
				/* @__PURE__ */ K("th", {
					scope: "col",
					children: "Layer and measure"
				}),
				/* @__PURE__ */ K("th", {
					scope: "col",
					children: "Mean"
				}),
				/* @__PURE__ */ K("th", {
					scope: "col",
					children: "Interval"
				}),
				/* @__PURE__ */ K("th", {
					scope: "col",
					children: "Random"
				})
			] }) }),
			/* @__PURE__ */ K("tbody", { children: e.map((e) => /* @__PURE__ */ K("tr", { children: [
				/* @__PURE__ */ K("th", {
					scope: "row",
					children: [
						e.layer,
						", ",
						e.measure
					]
				}),
				/* @__PURE__ */ K("td", { children: U(e.mean, 3) }),
				/* @__PURE__ */ K("td", { children: [
					U(e.low, 3),
					" to ",
					U(e.high, 3)
				] }),
				/* @__PURE__ */ K("td", { children: [
					U(e.baseline_low, 3),
					" to ",
					U(e.baseline_high, 3)
				] })
			] }, `${e.layer} ${e.measure}`)) })
		] })
	});
}
// src/table/marks.ts
function Fh(e) {
	let [t, n] = O(/* @__PURE__ */ new Set()), [r, i] = O(-1), a = j(-1), o = j(e);
	return o.current !== e && (o.current = e, a.current = -1, r >= e.length && i(-1)), {
		marked: t,
		active: r,
		mark: (r, o) => {
			let s = e[r];
			if (s === void 0) return;
			if (i(r), o === "none") return void (a.current = r);
			if (o === "to" && a.current >= 0) return n(new Set(e.subarray(Math.min(a.current, r), Math.max(a.current, r) + 1)));
			a.current = r;
			let c = new Set(o === "also" ? t : []);
			o === "also" && t.has(s) ? c.delete(s) : c.add(s), n(c);
		},
		clear: () => {
			a.current = -1, n(/* @__PURE__ */ new Set());
		}
	};
}
// src/table/sorting.ts
var Ih = 2 ** 21;
function Lh(e, t, n) {
	let r = /* @__PURE__ */ new Float32Array(1), i = new Uint32Array(r.buffer), a = new Float64Array(e.length), o = [], s = 0;
	for (let c = 0; c < e.length; c++) {
		let l = t(e[c]);
		if (Number.isNaN(l)) {
			o.push(e[c]);
			continue;
		}
		r[0] = (n ? -l : l) + 0;
		let u = i[0];
		a[s++] = (u >= 2 ** 31 ? ~u >>> 0 : u + 2 ** 31) * Ih + c;
	}
	let c = a.subarray(0, s).sort(), l = new Int32Array(e.length);
	for (let t = 0; t < s; t++) l[t] = e[c[t] % Ih];
	return l.set(o, s), l;
}
function Rh(e, t) {
	let n = /* @__PURE__ */ new Set();
	for (let r of e) n.add(t(r));
	let r = new Intl.Collator(void 0, {
		numeric: !0,
		sensitivity: "base"
	}).compare, i = new Map([...n].sort(r).map((e, t) => [e, t]));
	return i.set("", NaN), (e) => i.get(t(e)) ?? NaN;
}
// src/table/rows.ts
function zh(e) {
	return e ? {
		key: e.replace(/^-/, ""),
		down: e.startsWith("-")
	} : null;
}
function Bh(e, t) {
	let n = e.kind === "number" && !e.rising;
	return t?.key === e.key ? t.down === n ? `${n ? "" : "-"}${e.key}` : null : `${n ? "-" : ""}${e.key}`;
}
function Vh(e, t) {
	if (t === null) return e.filter((e) => e.shown);
	let n = t.split(",");
	return e.filter((e) => n.includes(e.key));
}
function Hh(e, t, n, r) {
	let i = n.flatMap((e) => {
		let n = t.find((t) => t.key === e.key && t.kind === "number");
		return n && !n.waits ? [{
			range: e,
			column: n
		}] : [];
	}), a = (e) => i.every(({ range: t, column: n }) => bh(t, n.value(e))), o = r && t.find((e) => e.key === r.key && e.kind !== "picture");
	if (!o) return i.length ? e.order.value.filter(a) : e.order.value;
	let s = Int32Array.from(e.kept.value.keys()).filter((t) => e.kept.value[t] && a(t));
	return Lh(s, o.text && Number.isNaN(o.value(0)) ? Rh(s, o.text) : o.value, r.down);
}
// src/views/Table.tsx
function Uh() {
	let e = B(), { place: t } = e, n = e.index.value, r = (e) => t.route.value.params.get(e), i = Ct(() => Qm(e)).value, a = r("where") ?? "", o = M(() => _h(a), [a]), s = zh(r("sort") ?? ""), c = Wh(M(() => Hh(e, i, o, s), [
		e,
		i,
		o,
		r("sort"),
		e.order.value
	])), l = Vh(i, r("cols")), u = Fh(c), d = Ct(() => e.pointed.value?.index === e.index.value.number ? e.pointed.value.row : -1), f = (t) => {
		e.select(t), u.clear(), e.told.value = `${V(t.length, "component")} selected: every view shows only ${t.length === 1 ? "this one" : "these"}`;
	};
	return /* @__PURE__ */ K("div", {
		class: "table-view",
		children: [
			/* @__PURE__ */ K("h1", { children: "Table" }),
			/* @__PURE__ */ K("p", {
				class: "explains",
				children: [
					"One row for every component of ",
					/* @__PURE__ */ K("bdi", { children: n.info.model }),
					": what it responds to, and how clearly. A click on a column's name sorts by it."
				]
			}),
			/* @__PURE__ */ K(Oh, {}),
			/* @__PURE__ */ K("div", {
				class: "tools",
				children: [
					/* @__PURE__ */ K(Gh, {
						shown: c.length,
						all: n.count,
						order: Kh(i, s?.key, !!e.search.value)
					}),
					/* @__PURE__ */ K(xh, {
						columns: i,
						ranges: o,
						onChange: (e) => t.set({ where: vh(e) }, !0)
					}),
					/* @__PURE__ */ K(rm, { label: "Relevance for" }),
					/* @__PURE__ */ K(Wm, {
						columns: i,
						shown: l,
						onChange: (e) => t.set({ cols: e?.join(",") }, !0)
					}),
					u.marked.size > 0 && /* @__PURE__ */ K("span", {
						class: "marked-rows",
						role: "status",
						children: [
							H(u.marked.size),
							" marked",
							/* @__PURE__ */ K("button", {
								type: "button",
								class: "button",
								onClick: () => f(Int32Array.from(u.marked).sort()),
								children: "Select these"
							}),
							/* @__PURE__ */ K("button", {
								type: "button",
								class: "button",
								onClick: u.clear,
								children: "Clear"
							})
						]
					}),
					/* @__PURE__ */ K(Tl, {
						what: "the table",
						kinds: e.session.can.parquet ? [
							"csv",
							"json",
							"parquet"
						] : ["csv", "json"],
						save: (t) => dn(`${n.info.name}-components`, qh(l, c), t, e)
					})
				]
			}),
			/* @__PURE__ */ K(dh, {
				label: "Components",
				columns: l,
				rows: c,
				sort: s,
				marks: u,
				pointed: d,
				onSort: (e) => t.set({ sort: Bh(e, s) }, !0),
				onOpen: (e) => t.go(n.path(e), { i: n.number || null }),
				onPoint: (t) => e.pointed.value = t === null ? null : {
					index: n.number,
					row: t
				},
				onAll: () => f(c)
			}),
			!c.length && /* @__PURE__ */ K("p", {
				class: "no-rows",
				children: "No component passes these filters."
			})
		]
	});
}
function Wh(e) {
	let t = j(e);
	return e !== t.current && (e.length !== t.current.length || e.some((e, n) => e !== t.current[n])) && (t.current = e), t.current;
}
function Gh({ shown: e, all: t, order: n }) {
	return /* @__PURE__ */ K("p", {
		class: "how-many",
		role: "status",
		children: [
			/* @__PURE__ */ K("b", { children: V(e, "component") }),
			e < t && ` of ${H(t)}`,
			", ",
			n
		]
	});
}
function Kh(e, t, n) {
	let r = e.find((e) => e.key === t);
	return r ? `by ${r.name.toLowerCase()}` : n ? "best match first" : "labelled and clearest first";
}
function qh(e, t) {
	return Object.fromEntries(e.filter((e) => e.kind !== "picture").map((e) => [e.file ?? e.key, Array.from(t, (t) => oh(e, t))]));
}
// src/views/views.ts
var Jh = [
	{
		path: "",
		name: "Explore",
		view: yl,
		says: "search, and a map of all components"
	},
	{
		path: "table",
		name: "Table",
		view: Uh,
		says: "every component with its measures"
	},
	{
		path: "picture",
		name: "Your picture",
		view: Bm,
		says: "what the model makes of a picture of yours"
	},
	{
		path: "audit",
		name: "Audit",
		view: vf,
		says: "does it rely on what it should?"
	},
	{
		path: "graph",
		name: "Graph",
		view: im,
		says: "how a class comes about"
	},
	{
		path: "compare",
		name: "Compare",
		view: pp,
		says: "what two models, or two layers, share"
	},
	{
		path: "about",
		name: "About",
		view: kf,
		says: "how this index was made"
	}
], Yh = [
	"valid",
	"spurious",
	"unsure"
];
function Xh() {
	let { place: e } = B(), t = e.route.value.path[0] ?? "", n = t === "" || t === "table";
	return !n && (!Rn(e) || t === "about") ? null : /* @__PURE__ */ K("section", {
		class: "filters",
		"aria-label": "Filters",
		children: [
			n ? /* @__PURE__ */ K(T, { children: [
				/* @__PURE__ */ K(Zh, {}),
				/* @__PURE__ */ K(Qh, {}),
				/* @__PURE__ */ K($h, {})
			] }) : /* @__PURE__ */ K(eg, {}),
			/* @__PURE__ */ K(tg, {}),
			/* @__PURE__ */ K(ng, {}),
			/* @__PURE__ */ K(rg, {})
		]
	});
}
function Zh() {
	let e = B(), { layers: t } = e.index.value.info, n = e.layers().map((e) => t[e].layer);
	if (t.length < 2) return null;
	let r = (r, i) => {
		let a = t.map((e) => e.layer).filter((e) => e === r ? i : n.includes(e));
		e.place.set({ layers: a.length && a.length < t.length ? a.join(",") : null });
	};
	return /* @__PURE__ */ K(dd, {
		name: "Layers",
		value: n.length === 0 ? "all" : n.length === 1 ? /* @__PURE__ */ K("bdi", { children: Sn(n[0]) }) : `${n.length} of ${t.length}`,
		children: /* @__PURE__ */ K("fieldset", { children: [/* @__PURE__ */ K("legend", { children: "Only components of these layers (none ticked: all)" }), t.map(({ layer: e, start: t, stop: i }) => /* @__PURE__ */ K("label", { children: [
			/* @__PURE__ */ K("input", {
				type: "checkbox",
				checked: n.includes(e),
				onChange: (t) => r(e, t.currentTarget.checked)
			}),
			/* @__PURE__ */ K("bdi", { children: Sn(e) }),
			" ",
			/* @__PURE__ */ K("small", { children: H(i - t) })
		] }, e))] })
	});
}
function Qh() {
	let { place: e } = B(), t = e.route.value.params.get("words") ?? "";
	return /* @__PURE__ */ K("span", {
		class: "field",
		children: [/* @__PURE__ */ K("input", {
			type: "text",
			"aria-label": "Only labels that contain",
			placeholder: "Label contains …",
			value: t,
			autocomplete: "off",
			spellcheck: !1,
			onInput: (t) => e.set({ words: t.currentTarget.value }, !0)
		}), t && /* @__PURE__ */ K(ag, {
			what: `labels with ${t}`,
			off: () => e.set({ words: null })
		})]
	});
}
function $h() {
	let e = B(), { rows: t } = e.index.value.annotations.value, n = e.place.route.value.params.get("tag") ?? "";
	return !e.session.can.annotate && !n ? null : /* @__PURE__ */ K("select", {
		"aria-label": "Tag",
		class: n ? "on" : "",
		value: n,
		onChange: (t) => e.place.set({ tag: t.currentTarget.value }),
		children: [/* @__PURE__ */ K("option", {
			value: "",
			children: "Any tag"
		}), Yh.map((e) => /* @__PURE__ */ K("option", {
			value: e,
			children: `Tagged ${e} (${t.filter((t) => t.tag === e).length})`
		}, e))]
	});
}
function eg() {
	let { place: e } = B(), t = (t) => e.route.value.params.get(t);
	return /* @__PURE__ */ K(T, { children: [
		t("layers") && /* @__PURE__ */ K(ig, {
			off: () => e.set({ layers: null }),
			children: ["layers ", t("layers").replaceAll(",", ", ")]
		}),
		t("words") && /* @__PURE__ */ K(ig, {
			off: () => e.set({ words: null }),
			children: [
				"label contains “",
				t("words"),
				"”"
			]
		}),
		t("tag") && /* @__PURE__ */ K(ig, {
			off: () => e.set({ tag: null }),
			children: ["tagged ", t("tag")]
		})
	] });
}
function tg() {
	let e = B(), t = e.place.route.value.params.get("cluster");
	if (t === null) return null;
	let n = z(e.index.value.atlas.value)?.names[Number(t)];
	return /* @__PURE__ */ K(ig, {
		off: () => e.place.set({ cluster: null }),
		children: n ? `cluster “${n}”` : `cluster ${t}`
	});
}
function ng() {
	let e = B(), t = e.selection.value;
	return t && /* @__PURE__ */ K(ig, {
		off: () => e.select(null),
		children: [H(t.length), " selected"]
	});
}
function rg() {
	let e = B(), { place: t } = e;
	if (!Rn(t)) return null;
	let n = e.order.value.length;
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("span", {
		class: "soft passing",
		role: "status",
		children: [
			H(n),
			" of ",
			H(e.index.value.count),
			" components"
		]
	}), /* @__PURE__ */ K("button", {
		type: "button",
		class: "link",
		onClick: () => t.set(Fn),
		children: "Show all"
	})] });
}
function ig({ off: e, children: t }) {
	return /* @__PURE__ */ K("span", {
		class: "chip",
		children: [/* @__PURE__ */ K("bdi", { children: t }), /* @__PURE__ */ K(ag, {
			what: og(t),
			off: e
		})]
	});
}
function ag({ what: e, off: t }) {
	return /* @__PURE__ */ K("button", {
		type: "button",
		class: "bare-button",
		"aria-label": `Remove the filter: ${e}`,
		title: "Remove this filter",
		onClick: t,
		children: /* @__PURE__ */ K(q, { name: "clear" })
	});
}
function og(e) {
	return Array.isArray(e) ? e.map(og).join("") : typeof e == "string" || typeof e == "number" ? String(e) : "";
}
// src/ui/suggest.ts
var sg = 8, cg = /* @__PURE__ */ new WeakMap();
function lg(e, t) {
	let n = t.trim().toLowerCase();
	if (!n) return [];
	let r = [
		[],
		[],
		[]
	];
	for (let t of dg(e)) {
		let e = t.lower.indexOf(n);
		e < 0 || r[e === 0 ? 0 : /\W/.test(t.lower[e - 1]) ? 1 : 2].push(t);
	}
	return [...ug(e, n), ...r.flat()].slice(0, sg);
}
function ug(e, t) {
	let n = t.lastIndexOf(":"), r = e.info.layers.find((e) => e.layer.toLowerCase() === t.slice(0, n)), i = r && /^\d+$/.test(t.slice(n + 1)) ? e.row(r.layer, Number(t.slice(n + 1))) : -1;
	return i < 0 ? [] : [{
		text: e.id(i),
		rows: 1,
		row: i
	}];
}
function dg(e) {
	let t = e.labels.value, n = e.annotations.value, r = cg.get(e);
	if (r?.labels === t && r.mine === n) return r.entries;
	let i = /* @__PURE__ */ new Map(), a = (t, n) => {
		if (!t || e.base.dead[n]) return;
		let r = i.get(t);
		r ? r.rows++ : i.set(t, {
			text: t,
			lower: t.toLowerCase(),
			rows: 1,
			row: n
		});
	};
	for (let t = 0; t < e.count; t++) {
		let n = e.label(t), r = e.names.get(t);
		a(n, t), r !== n && a(r, t);
	}
	let o = [...i.values()].sort((e, t) => t.rows - e.rows || (e.lower < t.lower ? -1 : 1));
	return cg.set(e, {
		labels: t,
		mine: n,
		entries: o
	}), o;
}
// src/ui/SearchBox.tsx
function fg() {
	let e = B(), { place: t } = e, n = e.index.value, { path: r, params: i } = t.route.value, a = i.get("q") ?? "", o = j(null), s = Re(), [c, l] = O(!1), [u, d] = O(-1), f = j(!1), p = c ? lg(n, a) : [], m = r[0] === "table" ? r : [];
	Yn({ "/": () => (o.current?.focus(), o.current?.select()) });
	let h = (r) => {
		t.go(m, {
			...In(e, n),
			q: r || null,
			image: null
		}, f.current), f.current = !0, l(!0), d(-1);
	}, g = () => {
		f.current = !1, l(!1), d(-1);
	}, _ = () => {
		e.query.peek() && t.set({
			q: null,
			image: null
		}, f.current), g(), o.current?.focus();
	}, v = (r) => {
		g(), r.rows > 1 ? t.go(m, {
			...In(e, n),
			words: r.text,
			q: null,
			image: null
		}) : t.go(n.path(r.row), {
			...In(e, n),
			q: null
		}), o.current?.blur();
	}, y = (e) => {
		if (e.isComposing) return;
		let t = {
			ArrowDown: 1,
			ArrowUp: -1
		}[e.key];
		t && p.length ? (e.preventDefault(), d((u + 1 + t + p.length + 1) % (p.length + 1) - 1)) : e.key === "Enter" ? u >= 0 ? v(p[u]) : g() : e.key === "Escape" && (e.preventDefault(), a || i.has("image") ? _() : o.current?.blur());
	}, b = e.session.can.search;
	return /* @__PURE__ */ K("div", {
		class: "search",
		role: "search",
		children: [
			/* @__PURE__ */ K(q, { name: "search" }),
			i.has("image") && /* @__PURE__ */ K(mg, { id: i.get("image") }),
			/* @__PURE__ */ K("input", {
				ref: o,
				type: "text",
				role: "combobox",
				"aria-label": b ? "Search by words or by a picture" : "Search labels",
				"aria-expanded": p.length > 0,
				"aria-controls": s,
				"aria-autocomplete": "list",
				"aria-activedescendant": u >= 0 ? `${s}-${u}` : void 0,
				placeholder: b ? "What do you look for? Words, or drop a picture" : "Which label do you look for?",
				enterkeyhint: "search",
				autocomplete: "off",
				spellcheck: !1,
				value: a,
				onInput: (e) => h(e.currentTarget.value),
				onKeyDown: y,
				onFocus: () => l(!0),
				onBlur: g
			}),
			a || i.has("image") ? /* @__PURE__ */ K("button", {
				type: "button",
				class: "bare-button",
				"aria-label": "Clear the search",
				title: "Clear the search (Esc)",
				onClick: _,
				children: /* @__PURE__ */ K(q, { name: "clear" })
			}) : /* @__PURE__ */ K("kbd", {
				"aria-hidden": "true",
				children: "/"
			}),
			b && /* @__PURE__ */ K(hg, {}),
			/* @__PURE__ */ K("ul", {
				class: "suggestions",
				id: s,
				role: "listbox",
				"aria-label": "Labels that match",
				hidden: !p.length,
				children: p.map((e, t) => /* @__PURE__ */ K(pg, {
					id: `${s}-${t}`,
					one: e,
					typed: a,
					active: t === u,
					choose: () => v(e)
				}, `${e.text}-${e.row}`))
			})
		]
	});
}
function pg({ id: e, one: t, typed: n, active: r, choose: i }) {
	let a = B().index.value, o = a.base.crop[t.row], s = t.text.toLowerCase().indexOf(n.trim().toLowerCase()), c = s + n.trim().length;
	return /* @__PURE__ */ K("li", {
		id: e,
		role: "option",
		"aria-selected": r,
		onPointerDown: (e) => e.preventDefault(),
		onClick: i,
		children: [
			/* @__PURE__ */ K(Qn, {
				path: o < 0 ? null : a.at(`crop/${o}.webp`),
				alt: ""
			}),
			/* @__PURE__ */ K("bdi", { children: [
				t.text.slice(0, Math.max(0, s)),
				/* @__PURE__ */ K("mark", { children: s < 0 ? "" : t.text.slice(s, c) }),
				t.text.slice(s < 0 ? 0 : c)
			] }),
			/* @__PURE__ */ K("small", { children: t.rows > 1 ? V(t.rows, "component") : a.id(t.row) })
		]
	});
}
function mg({ id: e }) {
	let t = fm.value?.id === e ? fm.value.address : null;
	return /* @__PURE__ */ K("span", {
		class: "asked",
		children: [t ? /* @__PURE__ */ K("img", {
			src: t,
			alt: ""
		}) : /* @__PURE__ */ K(q, { name: "image" }), "your picture"]
	});
}
function hg() {
	let e = B(), t = j(null);
	return /* @__PURE__ */ K(T, { children: [/* @__PURE__ */ K("button", {
		type: "button",
		class: "bare-button",
		"aria-label": "Search by a picture",
		title: "Search by a picture: choose one here, drop it anywhere, or paste it",
		onClick: () => t.current?.click(),
		children: /* @__PURE__ */ K(q, { name: "image" })
	}), /* @__PURE__ */ K("input", {
		ref: t,
		type: "file",
		accept: "image/*",
		hidden: !0,
		"aria-label": "Picture to search by",
		onChange: (t) => {
			mm(e, t.currentTarget.files?.[0]), t.currentTarget.value = "";
		}
	})] });
}
// src/ui/Shortcuts.tsx
function gg({ close: e }) {
	return /* @__PURE__ */ K(er, {
		title: "Keyboard shortcuts",
		class: "shortcuts",
		close: e,
		children: /* @__PURE__ */ K("div", {
			class: "shortcut-groups",
			children: Jn.map((e) => /* @__PURE__ */ K("section", { children: [/* @__PURE__ */ K("h3", { children: e.where }), /* @__PURE__ */ K("dl", { children: e.keys.map(({ keys: e, says: t }) => /* @__PURE__ */ K("div", { children: [/* @__PURE__ */ K("dt", { children: e.map((e) => /* @__PURE__ */ K("kbd", { children: e }, e)) }), /* @__PURE__ */ K("dd", { children: t })] }, t)) })] }, e.where))
		})
	});
}
// src/ui/Header.tsx
function _g() {
	let e = B(), { place: t } = e, n = j(null), [r, i] = O(!1), a = t.route.value.path[0] ?? "", o = In(e, e.index.value);
	return A(() => Gn(e, n.current.closest(".semlens")), [e]), A(() => Ru(n.current.closest(".semlens"), Iu.value), [Iu.value]), bg(), Jr(), gm(), Yn({ "?": () => i(!0) }), /* @__PURE__ */ K("header", {
		class: "top",
		ref: n,
		children: [
			/* @__PURE__ */ K("div", {
				class: "looked-at",
				children: [/* @__PURE__ */ K("a", {
					class: "brand",
					href: t.href([], {
						q: null,
						image: null,
						...o
					}),
					children: "semlens"
				}), /* @__PURE__ */ K(vg, {})]
			}),
			/* @__PURE__ */ K(fg, {}),
			/* @__PURE__ */ K("nav", {
				"aria-label": "Views",
				children: Jh.map((e) => /* @__PURE__ */ K("a", {
					href: t.href(e.path ? [e.path] : [], o),
					title: e.says,
					"aria-current": a === e.path ? "page" : void 0,
					children: e.name
				}, e.path))
			}),
			/* @__PURE__ */ K("div", {
				class: "whole-page",
				children: [/* @__PURE__ */ K(yg, {}), /* @__PURE__ */ K("button", {
					type: "button",
					class: "bare-button",
					"aria-label": "Keyboard shortcuts",
					title: "Keyboard shortcuts (?)",
					onClick: () => i(!0),
					children: "?"
				})]
			}),
			r && /* @__PURE__ */ K(gg, { close: () => i(!1) }),
			pm.value && /* @__PURE__ */ K("p", {
				class: "drop",
				children: "Drop the picture: the components that are most like it will be listed."
			})
		]
	});
}
function vg() {
	let e = B(), { place: t, indexes: n } = e, r = e.index.value;
	if (n.length < 2) return /* @__PURE__ */ K("bdi", {
		class: "index-name",
		title: `the index “${r.info.name}” of the model ${r.info.model}`,
		children: r.info.name
	});
	let i = (r) => {
		let { path: i } = t.route.peek();
		t.go(i[0] === "m" ? [] : i, In(e, n[r]));
	};
	return /* @__PURE__ */ K("select", {
		class: "index-name",
		"aria-label": "Index",
		title: `the model ${r.info.model}`,
		value: r.number,
		onChange: (e) => i(Number(e.currentTarget.value)),
		children: n.map((e) => /* @__PURE__ */ K("option", {
			value: e.number,
			children: e.info.name
		}, e.number))
	});
}
function yg() {
	let e = Iu.value, t = Nu[(Nu.indexOf(e) + 1) % Nu.length], n = {
		system: "as the system has it",
		light: "light",
		dark: "dark"
	};
	return /* @__PURE__ */ K("button", {
		type: "button",
		class: "bare-button",
		"aria-label": `Theme: ${n[e]}`,
		title: `Theme: ${n[e]}; press for ${n[t]}`,
		onClick: () => Lu(t),
		children: /* @__PURE__ */ K(q, { name: e })
	});
}
function bg() {
	let e = B(), t = e.index.value, [n = "", , r, i] = e.place.route.value.path, a = n === "m" ? t.row(r ?? "", Number(i)) : -1, o = Jh.find((e) => e.path === n && n)?.name, s = e.place.route.value.params.get("q"), c = a >= 0 ? `${t.title(a)} (${t.id(a)})` : o ?? (s ? `“${s}”` : "Explore");
	k(() => {
		Kn(e) && (document.title = `${c} · ${t.info.name} · semlens`);
	}, [c, t]);
}
// src/ui/Told.tsx
var xg = 5e3;
function Sg() {
	let { told: e } = B(), t = e.value;
	return k(() => {
		let n = t ? setTimeout(() => e.value = "", xg) : void 0;
		return () => clearTimeout(n);
	}, [t]), /* @__PURE__ */ K("p", {
		class: "told",
		role: "status",
		"aria-live": "polite",
		children: t
	});
}
// src/ui/App.tsx
function Cg() {
	let [e = ""] = B().place.route.value.path, t = e === "m" ? $r : Jh.find((t) => t.path === e)?.view ?? yl;
	return /* @__PURE__ */ K(T, { children: [
		/* @__PURE__ */ K("a", {
			class: "skip",
			href: "#content",
			onClick: (e) => (e.preventDefault(), document.getElementById("content")?.focus()),
			children: "Skip to the content"
		}),
		/* @__PURE__ */ K(_g, {}),
		/* @__PURE__ */ K(Xh, {}),
		/* @__PURE__ */ K("main", {
			id: "content",
			tabIndex: -1,
			children: /* @__PURE__ */ K(t, {})
		}),
		/* @__PURE__ */ K(Sg, {})
	] });
}
// src/mount.tsx
function wg(e, t, n) {
	return Xt(t, n).then((t) => {
		e.replaceChildren(), xe(/* @__PURE__ */ K(Qt, {
			value: t,
			children: /* @__PURE__ */ K(Cg, {})
		}), e);
	}, (t) => e.replaceChildren(Object.assign(document.createElement("p"), {
		className: "bare",
		textContent: t.message
	}))), () => xe(null, e);
}
// src/widget.tsx
function Tg({ model: t, el: n }) {
	let r = document.createElement("div");
	r.className = "semlens cell", r.style.height = `${String(t.get("height"))}px`, n.append(r);
	let i = new e(t), a = Nt();
	r.addEventListener("click", (e) => {
		let t = e.target.closest?.("a[href^=\"#/\"]");
		!t || e.ctrlKey || e.metaKey || e.shiftKey || (e.preventDefault(), a.open(t.getAttribute("href")));
	});
	let o = wg(r, i, a);
	return () => {
		o(), i.close();
	};
}
var Eg = { render: Tg };
export { Eg as default };
